-- title: A storm of exits
-- means: A vCPU leaves its guest all the time, so KVM and QEMU run more than the guest does: a device that is polled, a
--   timer that is set over and over, a missing paravirtual feature.
-- needs: exits@host
-- severity: warning
-- text: vCPU {vcpu} of {victim} left its guest {rate} times a second from {from_ns} to {until_ns}, and {exit_share} of the
--   time that it ran went into that, most of all for {reason} ({reason_share} of the exits).
-- advice: Look at what the guest does that costs a {reason} exit; `ivtrace exits RUN -g {victim}` tells them by reason and task.
WITH bucket AS (
  SELECT machine, vcpu, from_ns / 500000000 AS half_second,
         sum(state = 'exit') AS exits,
         sum(CASE WHEN state IN ('exit', 'userspace') THEN until_ns - from_ns ELSE 0 END) AS out_ns,
         sum(CASE WHEN state = 'guest' THEN until_ns - from_ns ELSE 0 END) AS in_ns
  FROM vcpu_slice WHERE vcpu IS NOT NULL GROUP BY 1, 2, 3
), bad AS (
  SELECT *, half_second - lag(half_second) OVER (PARTITION BY machine, vcpu ORDER BY half_second) > 2 AS is_new
  FROM bucket WHERE exits >= 1000 AND out_ns >= 0.4 * (out_ns + in_ns) AND out_ns + in_ns >= 100e6
), stretch AS (
  SELECT *, sum(coalesce(is_new, 0)) OVER (PARTITION BY machine, vcpu ORDER BY half_second) AS number FROM bad
), storm AS (
  SELECT machine, vcpu, min(half_second) * 500000000 AS from_ns, (max(half_second) + 1) * 500000000 AS until_ns,
         2.0 * sum(exits) / count(*) AS rate, 1.0 * sum(out_ns) / sum(out_ns + in_ns) AS exit_share,
         sum(out_ns) AS out_ns, sum(exits) AS exits
  FROM stretch GROUP BY machine, vcpu, number HAVING count(*) >= 2
), reasons AS (
  SELECT storm.*, v.reason, count(*) AS times
  FROM storm JOIN vcpu_slice AS v ON v.machine = storm.machine AND v.vcpu = storm.vcpu
  WHERE v.state = 'exit' AND v.from_ns >= storm.from_ns AND v.from_ns < storm.until_ns
  GROUP BY storm.machine, storm.vcpu, storm.from_ns, v.reason
)
SELECT machine AS victim, reason AS culprit, 1.0 * times / exits AS share, from_ns, until_ns, 0.9 AS confidence,
       out_ns AS impact_ns, vcpu, rate, exit_share, reason, 1.0 * max(times) / exits AS reason_share
FROM reasons GROUP BY machine, vcpu, from_ns

-- evidence: Exits by reason
SELECT reason, count(*) AS exits, sum(until_ns - from_ns) AS ns FROM vcpu_slice
WHERE machine = :victim AND vcpu = :vcpu AND state = 'exit' AND from_ns >= :from_ns AND from_ns < :until_ns
GROUP BY reason ORDER BY exits DESC LIMIT 5
