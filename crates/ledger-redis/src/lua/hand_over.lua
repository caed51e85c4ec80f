-- KEYS: session, journal.
-- ARGV: now, provider's, units before, units, value, fee, gas, net, bought, refunds.
-- `provider's` is 1 if the hand-over is for the session's provider on the network it was paid on.
local before, units, value = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local fee, gas, net = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])

local s = session_at(KEYS[1])
if not s then return answer('unknown') end
money_of(s)
check_journal(KEYS[2])
if s.handed_units >= units then return answer('replayed', s) end
local same = s.handed_units == before and s.bought == tonumber(ARGV[9]) and s.refunds == tonumber(ARGV[10])
local grows = value >= s.handed_value and fee >= s.handed_fee and gas >= s.handed_gas and net >= s.handed_net
local earned = s.frozen == 0 and units <= s.captured + s.expired
local there = s.returned + value <= s.deposited
if not (same and ARGV[2] == '1' and grows and earned and there and fee + gas + net == value and gas <= s.gas) then
  return answer('conflict', s)
end

sweep(s)
redis.call('HSET', KEYS[1],
  'handed_units', digits(units), 'handed_value', digits(value), 'handed_fee', digits(fee), 'handed_gas', digits(gas),
  'handed_net', digits(net))
journal(KEYS[2], 'handover', units - before)
return answer('done', s)
