-- Takes the lease from its holder and forbids claims for a while, so that the
-- caller can close the answer in the log. No piece is accepted afterwards. A
-- ban that only stops an answer does not replace another ban.
-- KEYS  1 state  2 lease  3 forbid  4 pieces
-- ARGV  1 forbid TTL ms  2 "1": forbid claims even if no answer is running
-- RETURNS {"kept"} if ARGV 2 is not "1" and a seed reserves the lease for the answering pod, which shows its text
--         in a moment; else
--         {running generation or "", open generation or "", attempt, index, open card, [sealed pieces]}
local v = redis.call('HMGET', KEYS[1], 'og', 'oa', 'oi', 'om', 'lg')
if redis.call('GET', KEYS[2]) == 'kept' and ARGV[2] ~= '1' then return {'kept'} end
local running = redis.call('EXISTS', KEYS[2]) == 1 and v[5] or v[1] or ''
if running ~= '' or ARGV[2] == '1' then
  redis.call('DEL', KEYS[2])
  local ban = (ARGV[2] == '1' or redis.call('GET', KEYS[3]) == 'whole') and 'whole' or 'answer'
  redis.call('SET', KEYS[3], ban, 'PX', ARGV[1])
end
if not v[1] then return {running, '', '', '', '', {}} end
return {running, v[1], v[2], v[3], v[4] or '', redis.call('LRANGE', KEYS[4], 0, -1)}
