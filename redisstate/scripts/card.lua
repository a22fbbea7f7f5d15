-- Renews the card of a pod, unless another process has one of that id: which of
-- two may have a name is decided here and nowhere else. Cards of older versions
-- name no process; they are another's.
-- KEYS  1 card
-- ARGV  1 process  2 card  3 TTL ms  4 another's card that is replaced, as it was found; empty: none is
-- RETURNS the other's card, which stays; empty where ours is there now
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[4] then
  local ok, card = pcall(cjson.decode, held)
  if not (ok and type(card) == 'table' and card.boot == ARGV[1]) then return held end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ''
