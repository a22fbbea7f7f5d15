-- Takes the lease for the session's oldest pending turn. The token is
-- "counter:random" and is only compared for equality. A caller whose reply was
-- lost finds its own random in the token and has the lease.
-- KEYS  1 state  2 queue  3 lease  4 forbid  5 due  6 pieces
-- ARGV  1 random  2 lease TTL ms  3 session member  4 state TTL ms
-- RETURNS {"unseeded"} | {"none"} | {"busy"}
--         | {"ok", token, turn "seq:run", owner, fold, 1 if that generation is open already, 2 if it was opened
--           before a replica was promoted: text that was shown may be missing}
local v = redis.call('HMGET', KEYS[1], 'h', 'u', 'f', 'hold', 'end', 'af', 'og', 'oe')
if not v[1] then
  redis.call('ZREM', KEYS[5], ARGV[3])
  return {'unseeded'}
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. (v[6] or '0'))
local turn = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
if v[4] == '1' or v[5] == '1' or not turn then
  redis.call('ZREM', KEYS[5], ARGV[3])
  return {'none'}
end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ttl = tonumber(ARGV[2])
local token = redis.call('GET', KEYS[3])
if not token or string.sub(token, -#ARGV[1]) ~= ARGV[1] then
  local wait = math.max(redis.call('PTTL', KEYS[3]), redis.call('PTTL', KEYS[4]))
  if wait > 0 then
    redis.call('ZADD', KEYS[5], now + wait, ARGV[3])
    return {'busy'}
  end
  token = redis.call('HINCRBY', KEYS[1], 'lc', 1) .. ':' .. ARGV[1]
end
redis.call('SET', KEYS[3], token, 'PX', ttl)
redis.call('HSET', KEYS[1], 'lg', turn)
redis.call('ZADD', KEYS[5], now + ttl, ARGV[3])
redis.call('PEXPIRE', KEYS[1], ARGV[4])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if v[7] and v[7] ~= turn then
  redis.call('HDEL', KEYS[1], 'og', 'oa', 'oi', 'om', 'oe')
  redis.call('DEL', KEYS[6])
end
local open = 0
if v[7] == turn then
  local info = redis.pcall('INFO', 'replication')
  local epoch = type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''
  open = epoch == (v[8] or '') and 1 or 2
end
return {'ok', token, turn, v[2], v[3] or '', open}
