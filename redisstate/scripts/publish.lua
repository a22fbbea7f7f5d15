-- Makes the event at head+1 visible: head, fold, hot log, turn, deadline and
-- the message to all pods change together or not at all.
-- KEYS  1 state  2 log  3 index  4 pieces  5 queue  6 lease  7 due  8 intents  9 forbid
-- ARGV  1 channel        2 seq            3 event key      4 sealed event
--       5 owner          6 sealed fold    7 held "1"/""    8 ended "1"/""
--       9 answerable from                10 fresh "1"/"": an absent session counts as head 0
--      11 turn to enter "seq:run" or ""  12 generation this event closes, or ""
--      13 its attempt   14 its index     15 sealed snapshot that shows it as that attempt, or ""
--      16 lease token to give back or "" 17 intent or "" 18 session member
--      19 log TTL ms    20 state TTL ms  21 most entries 22 most bytes  23 grace ms before others claim
--      24 the seq from which the entered turn counts
--      25 ms after which a sweep looks at the intent, or "": the intent is removed
--      26 ms after which the TTLs of state and log are set again
-- RETURNS {"done", seq} | {"already", head} | {"gap", head} | {"unseeded"}
--         | {"diverged", head, visible attempt or -1}
local seq, closes = tonumber(ARGV[2]), ARGV[12]
local v = redis.call('HMGET', KEYS[1], 'h', 'lb', 'af', 'x')
local head = tonumber(v[1] or '-1')
if head < 0 then
  if ARGV[10] ~= '1' or seq ~= 1 then
    return {'unseeded'}
  end
  head = 0
end
if head >= seq then
  if ARGV[17] ~= '' and ARGV[25] == '' then redis.call('ZREM', KEYS[8], ARGV[17]) end
  return {'already', head}
end
if head + 1 < seq then
  return {'gap', head}
end

if closes ~= '' then
  local o = redis.call('HMGET', KEYS[1], 'og', 'oa', 'oi', 'lg', 'lt')
  local newer = o[1] ~= closes or tonumber(o[2]) < tonumber(ARGV[13])
  if ARGV[15] ~= '' and newer then
    redis.call('PUBLISH', ARGV[1], head .. '|' .. ARGV[15])
  elseif not o[1] and o[5] ~= closes and ARGV[14] == '-1' and ARGV[15] == '' then
-- the answer was closed before it began: nothing is visible, and the final has no text
  elseif ARGV[15] ~= '' or o[1] ~= closes or o[2] ~= ARGV[13] or o[3] ~= ARGV[14] then
    return {'diverged', head, tonumber(o[1] == closes and o[2] or '-1')}
  end
  redis.call('HDEL', KEYS[1], 'og', 'oa', 'oi', 'om', 'oe', 'lt')
  redis.call('DEL', KEYS[4])
  redis.call('ZREM', KEYS[5], closes)
  if o[4] == closes then redis.call('DEL', KEYS[6]) end
end

local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local entry = ARGV[3] .. '\n' .. ARGV[4]
local n = redis.call('RPUSH', KEYS[2], entry)
local bytes = (n > 1 and tonumber(v[2] or '0') or 0) + #entry
redis.call('HSET', KEYS[3], ARGV[3], seq)
local expires = n == 1 or not v[4] or now - tonumber(v[4]) >= tonumber(ARGV[26])
while n > 0 and (n > tonumber(ARGV[21]) or bytes > tonumber(ARGV[22])) do
  local old = redis.call('LPOP', KEYS[2])
  redis.call('HDEL', KEYS[3], string.sub(old, 1, string.find(old, '\n', 1, true) - 1))
  n, bytes = n - 1, bytes - #old
end
redis.call('HSET', KEYS[1], 'h', seq, 'u', ARGV[5], 'f', ARGV[6], 'hold', ARGV[7], 'end', ARGV[8], 'af', ARGV[9],
  'lb', bytes, 'x', expires and now or v[4])
if expires then
  redis.call('PEXPIRE', KEYS[1], ARGV[20])
  redis.call('PEXPIRE', KEYS[2], ARGV[19])
  redis.call('PEXPIRE', KEYS[3], ARGV[19])
end

local voids = v[3] ~= ARGV[9]
if ARGV[11] ~= '' then
  redis.call('ZADD', KEYS[5], ARGV[24], ARGV[11])
end
if voids then redis.call('ZREMRANGEBYSCORE', KEYS[5], '-inf', '(' .. ARGV[9]) end
if ARGV[7] == '1' or ARGV[8] == '1' then
  redis.call('DEL', KEYS[4], KEYS[6], KEYS[9])
  redis.call('HDEL', KEYS[1], 'og', 'oa', 'oi', 'om', 'oe', 'lt')
end
if ARGV[8] == '1' then redis.call('DEL', KEYS[5]) end
if ARGV[16] ~= '' and redis.call('GET', KEYS[6]) == ARGV[16] then
  redis.call('DEL', KEYS[6])
end

if ARGV[7] == '' and (ARGV[11] ~= '' or (closes ~= '' or voids) and redis.call('ZCARD', KEYS[5]) > 0) then
  local wait = math.max(redis.call('PTTL', KEYS[6]), tonumber(ARGV[23]))
  redis.call('ZADD', KEYS[7], now + wait, ARGV[18])
  redis.call('PEXPIRE', KEYS[5], ARGV[20])
elseif closes ~= '' or voids or ARGV[7] == '1' or ARGV[8] == '1' then
  redis.call('ZREM', KEYS[7], ARGV[18])
end
if ARGV[17] ~= '' and ARGV[25] ~= '' then
  redis.call('ZADD', KEYS[8], now + tonumber(ARGV[25]), ARGV[17])
elseif ARGV[17] ~= '' then
  redis.call('ZREM', KEYS[8], ARGV[17])
end
redis.call('PUBLISH', ARGV[1], seq .. '|' .. ARGV[4])
return {'done', seq}
