// Sends the chosen file as the body of a POST, as it is.
const form = document.querySelector("form");
const result = document.querySelector("#result");
form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const file = form.elements.file.files[0];
  if (!file) return;
  result.textContent = "Sending …";
  const response = await fetch("/upload", { method: "POST", body: file });
  result.textContent = JSON.stringify(await response.json(), null, 2);
});
