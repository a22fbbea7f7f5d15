-- Enters pending turns of one session that Redis may have lost, due at once.
-- Turns that are there already are not entered again.
-- KEYS  1 state  2 queue  3 due
-- ARGV  1 session member  2 state TTL ms
--       then for each turn: "seq:run", its message's seq, the seq from which it counts
-- RETURNS "unseeded", or a letter for each turn: e entered  t there already  h a person holds the session
--         v void, or the session has ended  g a gap: the head is below the message
local v = redis.call('HMGET', KEYS[1], 'h', 'hold', 'end', 'af')
if not v[1] then return 'unseeded' end
local fates, entered = '', false
for i = 3, #ARGV, 3 do
  local fate = 't'
  if v[2] == '1' then fate = 'h'
  elseif v[3] == '1' or tonumber(ARGV[i + 2]) < tonumber(v[4] or '0') then fate = 'v'
  elseif tonumber(v[1]) < tonumber(ARGV[i + 1]) then fate = 'g'
  elseif redis.call('ZADD', KEYS[2], ARGV[i + 2], ARGV[i]) == 1 then fate = 'e'
  end
  fates = fates .. fate
  entered = entered or fate == 'e' or fate == 't'
end
if entered then
  redis.call('PEXPIRE', KEYS[2], ARGV[2])
  local t = redis.call('TIME')
  redis.call('ZADD', KEYS[3], 'NX', t[1] * 1000 + math.floor(t[2] / 1000), ARGV[1])
end
return fates
