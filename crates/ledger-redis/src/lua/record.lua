-- KEYS: session, payment.
-- ARGV: now, ours, terms, goods, plain, units, amount, balance life in ms, head, intent, top-up.
-- `ours` is 1 if the payment's pointer leads to the session that the command named.
local s = session_at(KEYS[1])
local p = payment_at(KEYS[2])
if p then
  return p.terms == ARGV[3] and answer('replayed', s, KEYS[2]) or answer('foreign')
end
if ARGV[11] == '1' and s and s.closed then return answer('closed', s) end
local units = tonumber(ARGV[6])
if units < 1 or units > MAX then return answer('conflict') end
if ARGV[11] == '1' then
  -- Another purchase pointed this payment elsewhere, and has not recorded it yet: it is theirs.
  if ARGV[2] == '0' then return answer('foreign') end
  if ARGV[5] == '0' and not s then return answer('conflict') end
end
if ARGV[5] == '0' and s then
  if s.goods ~= ARGV[4] then return answer('conflict') end
  -- Another purchase pointed this payment at a session that exists, and has not recorded it yet: it is theirs.
  if ARGV[2] == '0' then return answer('foreign') end
end

redis.call('HSET', KEYS[2],
  'terms', ARGV[3], 'goods', ARGV[4], 'plain', ARGV[5], 'units', ARGV[6], 'amount', ARGV[7], 'ttl', ARGV[8],
  'head', ARGV[9], 'intent', ARGV[10], 'recorded', digits(now), 'attempts', '0', 'fate', 'pending',
  'gone', '0')
return answer('done', s, KEYS[2])
