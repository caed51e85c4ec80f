-- KEYS: session, payment, journal. ARGV: now, gas, landing, payment id, block.
local s = session_at(KEYS[1])
local p = payment_at(KEYS[2])
check_journal(KEYS[3])
if not p then return answer('unknown') end
if p.fate == 'credited' then return answer('replayed', s, KEYS[2]) end
if p.plain == '1' then
  redis.call('HSET', KEYS[2], 'fate', 'credited', 'landing', ARGV[3])
  return answer('done', nil, KEYS[2])
end

local units, amount, ttl = int(p.units, 'units'), int(p.amount, 'amount'), tonumber(p.ttl)
local opens = not s
if s then money_of(s) end
s = s or { key = KEYS[1], goods = p.goods, over = {}, bought = 0, deposited = 0, gas = 0, till = 0, block = 0 }
if s.goods ~= p.goods then return answer('conflict') end
local bought, deposited, gas = s.bought + units, s.deposited + amount, s.gas + tonumber(ARGV[2])
if bought > MAX or deposited > MAX or gas > MAX then return answer('conflict') end

sweep(s)
redis.call('HSET', KEYS[2], 'fate', 'credited', 'landing', ARGV[3])
if opens then
  redis.call('HSET', KEYS[1],
    'goods', p.goods, 'head', p.head, 'opened', digits(now), 'captured', '0', 'refunded', '0', 'expired', '0',
    'revoked', '0', 'frozen', '0', 'closed', '0', 'recalled', '0', 'revision', '0', 'refunds', '0', 'returned', '0',
    'withheld', '0', 'handed_units', '0', 'handed_value', '0', 'handed_fee', '0', 'handed_gas', '0', 'handed_net', '0')
end
redis.call('HSET', KEYS[1],
  'bought', digits(bought), 'deposited', digits(deposited), 'gas', digits(gas),
  'till', digits(math.max(s.till, deadline(ttl))), 'block', digits(math.max(s.block, tonumber(ARGV[5]))))
journal(KEYS[3], 'credit', units, nil, ARGV[4])
return answer('done', s, KEYS[2])
