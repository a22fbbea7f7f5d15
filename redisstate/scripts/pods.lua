-- Adds a pod to the list of pods, and removes pods that have not been added
-- for a while. It uses the server's clock, since clocks of pods may differ.
-- KEYS  1 pods
-- ARGV  1 pod  2 ms until a pod is removed
-- RETURNS now, in ms
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - ARGV[2]))
return now
