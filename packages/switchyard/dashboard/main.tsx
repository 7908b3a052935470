// The page's entry.

import { render } from "preact";
import { App } from "./app.tsx";

const place = document.getElementById("dashboard")!;
place.replaceChildren();
render(<App />, place);
