// Lists the cities that /live/events sends, newest first, and closes the stream when the page is left.
const list = document.querySelector("#cities");
const source = new EventSource("/live/events");
source.addEventListener("city", ({ data }) => {
  const city = JSON.parse(data);
  const item = document.createElement("li");
  const link = document.createElement("a");
  link.href = `/cities/${city.id}`;
  link.textContent = city.name;
  item.append(link, `, ${city.countryName}, ${city.population.toLocaleString()} inhabitants`);
  list.prepend(item);
  while (list.children.length > 30) list.lastElementChild.remove();
});
addEventListener("pagehide", () => source.close());
