-- Renews a pod's card, unless another process has a card with that id. This
-- alone decides which of two processes may have a name. Cards of older
-- versions name no process and count as another's.
-- KEYS  1 card
-- ARGV  1 process  2 card  3 TTL ms  4 another process's card to replace, as it was read; empty: none
-- RETURNS the other process's card, which stays; empty if the card was written
local held = redis.call('GET', KEYS[1])
if held and held ~= ARGV[4] then
  local ok, card = pcall(cjson.decode, held)
  if not (ok and type(card) == 'table' and card.boot == ARGV[1]) then return held end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return ''
