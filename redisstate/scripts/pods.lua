-- Puts a pod on the list of pods, and takes those off that have not been put
-- there for a while. The server's clock counts: clocks of pods may differ.
-- KEYS  1 pods
-- ARGV  1 pod  2 ms until a pod is taken off
-- RETURNS now, in ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - ARGV[2]))
return now
