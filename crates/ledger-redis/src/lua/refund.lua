-- KEYS: session, journal, refund.
-- ARGV: now, payer's, number, units, bought, captured, value, gas, order.
-- `payer's` is 1 if the order pays the session's payer on the network it was paid on.
local number, units, value, gas = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[7]), tonumber(ARGV[8])

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
money_of(s)
check_journal(KEYS[2])
if refund_at(KEYS[3]) then return answer('replayed', s, KEYS[3]) end
local over = s.frozen == 0 and (s.closed or s.for_good or now >= s.till)
local same = s.bought == tonumber(ARGV[5]) and s.captured == tonumber(ARGV[6])
local all = units > 0 and units == s.remaining
if not (over and same and ARGV[2] == '1' and all and s.holding == 0 and gas <= value) then
  return answer('conflict', s)
end
if s.returned + s.handed_value + value > s.deposited or s.refunds + 1 ~= number then return answer('conflict', s) end

sweep(s)
redis.call('HSET', KEYS[3],
  'order', ARGV[9], 'ordered', digits(now), 'attempts', '0', 'fate', value == gas and 'nothing' or 'pending')
redis.call('HSET', KEYS[1],
  'refunded', digits(s.refunded + units), 'refunds', digits(number), 'returned', digits(s.returned + value),
  'withheld', digits(s.withheld + gas))
journal(KEYS[2], 'refund', units)
return answer('done', s, KEYS[3])
