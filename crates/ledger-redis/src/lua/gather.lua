-- KEYS: provider, payout, gathered. ARGV: now, number, session, net, order.
local number, net = tonumber(ARGV[2]), tonumber(ARGV[4])

local a = provider_at(KEYS[1])
local p = payout_at(KEYS[2])
local known = redis.call('HGET', KEYS[3], ARGV[3])
known = known and int(known, 'gathered') or 0
if net <= known then return payout_answer('replayed', KEYS[2]) end
local opens = not p
if p then
  if p.fate ~= 'gathering' or p.order ~= ARGV[5] then return { 'conflict', {} } end
elseif a.gathering or a.payouts + 1 ~= number then
  return { 'conflict', {} }
end
local more = net - known
local gathered, in_all = (p and p.gathered or 0) + more, a.gathered + more
if gathered > MAX or in_all > MAX then return { 'conflict', {} } end

if opens then
  redis.call('HSET', KEYS[2],
    'order', ARGV[5], 'opened', digits(now), 'gas', '0', 'sealed', '-', 'attempts', '0', 'fate', 'gathering')
end
redis.call('HSET', KEYS[2], 'gathered', digits(gathered), 'parts', digits((p and p.parts or 0) + 1))
redis.call('HSET', KEYS[1], 'payouts', digits(number), 'gathering', '1', 'gathered', digits(in_all))
redis.call('HSET', KEYS[3], ARGV[3], digits(net))
return payout_answer('done', KEYS[2])
