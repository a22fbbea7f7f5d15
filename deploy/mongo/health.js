// The health check of the service mongo in docker-compose.yml, run by mongosh at loopback. While the server has no user yet, which the first start and a
// volume from before passwords have in common, it founds the replica set and makes two: `admin`, and `chatbox` for the pods. The exception for loopback
// ends with the first user. Exits with 0 once pods can write.
const admin = db.getSiblingDB("admin");
const password = (name) => {
  const value = process.env[name];
  if (!value) quit(2);
  return value;
};
const signIn = () => {
  try {
    return admin.auth("admin", password("MONGO_ADMIN_PASSWORD")).ok === 1;
  } catch {
    return false;
  }
};

if (!signIn()) {
  try {
    rs.initiate({ _id: "rs0", members: [{ _id: 0, host: "mongo:27017" }] });
  } catch {
    // The set was founded by an earlier check.
  }
  if (!admin.hello().isWritablePrimary) quit(1);
  admin.createUser({ user: "admin", pwd: password("MONGO_ADMIN_PASSWORD"), roles: ["root"] });
  if (!signIn()) quit(1);
}
if (!admin.hello().isWritablePrimary) quit(1);
if (!admin.getUser("chatbox")) {
  admin.createUser({ user: "chatbox", pwd: password("MONGO_PASSWORD"), roles: [{ role: "readWrite", db: "chat" }] });
}
quit(0);
