-- Notes a sign of life of a process, and returns the processes that have been
-- silent for a while. Processes that are silent for long are forgotten.
-- KEYS  1 beats
-- ARGV  1 process  2 ms until a process is silent  3 ms until it is forgotten
-- RETURNS {now in ms, silent process, its last sign of life in ms, ...}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
redis.call('ZADD', KEYS[1], now, ARGV[1])
local silent = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - ARGV[2]), 'WITHSCORES')
if #silent > 0 then
  redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', '(' .. (now - ARGV[3]))
end
table.insert(silent, 1, now)
return silent
