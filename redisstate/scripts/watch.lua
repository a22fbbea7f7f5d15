-- Records for a while that somebody watches a session. It uses the server's
-- clock.
-- KEYS  1 watchers
-- ARGV  1 watcher  2 TTL ms
-- RETURNS 1
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now + ARGV[2], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
