-- Takes the overdue entries of one partition and postpones them, so that pods
-- do not all handle the same ones. An entry comes again unless it is handled.
-- An intent is dropped when every write that it could stand for has timed out.
-- KEYS  1 due  2 intents
-- ARGV  1 most of each  2 postpone turns by ms  3 postpone intents by ms  4 intents live ms
-- RETURNS {[session members], [intents]}
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local turns = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, m in ipairs(turns) do
  redis.call('ZADD', KEYS[1], now + ARGV[2], m)
end
local intents = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now, 'LIMIT', 0, ARGV[1])
for _, m in ipairs(intents) do
  if now - tonumber(string.match(m, '^%d+')) > tonumber(ARGV[4]) then
    redis.call('ZREM', KEYS[2], m)
  else
    redis.call('ZADD', KEYS[2], now + ARGV[3], m)
  end
end
return {turns, intents}
