-- Opens an append: reads the state that the decision needs and leaves an
-- intent, so that a sweeper finds the append if its pod dies between insert
-- and publish.
-- KEYS  1 state  2 index  3 log  4 reserve  5 intents  6 lease
-- ARGV  1 event key  2 session member  3 nonce  4 lease token or ""  5 intent delay ms
-- RETURNS {"lost"} if the token does not hold the lease; {"empty"} if Redis has no copy of the session, or a seed
--         reserves the lease for its former holder; else
--         {"ok", head or -1, owner, fold, reserved user, hot entry of the key, intent}
if ARGV[4] ~= '' then
  local token = redis.call('GET', KEYS[6])
  if token ~= ARGV[4] then
    return {(token == 'kept' or redis.call('EXISTS', KEYS[1]) == 0) and 'empty' or 'lost'}
  end
end
local v = redis.call('HMGET', KEYS[1], 'h', 'u', 'f')
local entry = ''
local seq = redis.call('HGET', KEYS[2], ARGV[1])
if seq and v[1] then
  local first = tonumber(v[1]) - redis.call('LLEN', KEYS[3]) + 1
  local at = tonumber(seq) - first
  if at >= 0 then
    entry = redis.call('LINDEX', KEYS[3], at) or ''
  end
end
local intent = ''
if entry == '' then
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  intent = string.format('%.0f', now) .. '|' .. ARGV[2] .. '|' .. ARGV[3]
  redis.call('ZADD', KEYS[5], now + tonumber(ARGV[5]), intent)
end
local reserved = not v[1] and redis.call('GET', KEYS[4]) or ''
return {'ok', v[1] or '-1', v[2] or '', v[3] or '', reserved, entry, intent}
