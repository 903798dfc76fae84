const express = require("express");

const app = express();

app.get("/", (request, response) => response.send("Hello from a container"));
app.get("/hello/:name", (request, response) => response.json({ hello: request.params.name }));

const server = app.listen(3000, () => console.log("listening on port 3000"));
process.on("SIGTERM", () => server.close());
