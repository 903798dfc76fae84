const express = require("express");
const redis = require("redis");

const client = redis.createClient({ url: `redis://${process.env.REDIS_HOST || "redis-server"}:6379` });
const app = express();

app.get("/", async (request, response) => {
  response.send(`Number of visits is ${await client.incr("visits")}`);
});

client.on("error", (error) => console.error(error.message));
client.connect().then(() => app.listen(8081, () => console.log("listening on port 8081")));
process.on("SIGTERM", () => process.exit(0));
