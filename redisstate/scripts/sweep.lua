-- Takes the overdue entries of partitions and postpones them, so that pods do
-- not all handle the same ones. An entry comes again unless it is handled. An
-- intent comes a last time when no insert can arrive any more, and is removed.
-- Empty partitions are not read.
-- KEYS  1 due  2 intents  of the first partition, 3 due  4 intents  of the next, ...
-- ARGV  1 most of each partition  2 postpone turns by ms  3 postpone intents by ms  4 intents live ms
-- RETURNS {[session members], [intents]}
local turns, intents = {}, {}
if redis.call('EXISTS', unpack(KEYS)) == 0 then
  return {turns, intents}
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for i = 1, #KEYS, 2 do
  if redis.call('EXISTS', KEYS[i]) == 1 then
    for _, m in ipairs(redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', now, 'LIMIT', 0, ARGV[1])) do
      redis.call('ZADD', KEYS[i], now + ARGV[2], m)
      turns[#turns + 1] = m
    end
  end
  if redis.call('EXISTS', KEYS[i + 1]) == 1 then
    for _, m in ipairs(redis.call('ZRANGEBYSCORE', KEYS[i + 1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
      if now - tonumber(string.match(m, '^%d+')) > tonumber(ARGV[4]) then
        redis.call('ZREM', KEYS[i + 1], m)
      else
        redis.call('ZADD', KEYS[i + 1], now + ARGV[3], m)
      end
      intents[#intents + 1] = m
    end
  end
end
return {turns, intents}
