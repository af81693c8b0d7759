-- title: A vCPU does not get a CPU of the host
-- means: A thread that runs a vCPU is ready and waits, as others have the host's CPUs: not the guest's own threads, and not
--   the time that an idle CPU takes to wake up. The guest sees it as steal time, or as everything being slow.
-- needs: sched@host
-- severity: warning
-- text: {victim}'s vCPUs waited for a CPU of the host, behind others, for {waited_share} of the time that they wanted to run, from
--   {from_ns} to {until_ns}: {waited_ns} in all. {culprit} had the CPU for {share} of that time.
-- advice: Give {victim} CPUs of its own (pinning, cpusets, a larger cpu.weight), or move {culprit} away; a limit of its cgroup
--   (cpu.max) shows as waiting too. `ivtrace vcpus RUN -g {victim} --from {from_s} --until {until_s}` shows each vCPU.
WITH bucket AS (
  SELECT machine, thread, from_ns / 500000000 AS half_second,
         sum(CASE WHEN state = 'preempted' AND by_tid > 0 AND by_machine <> machine THEN until_ns - from_ns ELSE 0 END) AS waited,
         sum(CASE WHEN state IN ('guest', 'exit', 'userspace', 'running') THEN until_ns - from_ns ELSE 0 END) AS ran
  FROM vcpu_slice GROUP BY 1, 2, 3
), bad AS (
  SELECT machine, half_second, sum(waited) AS waited, sum(ran) AS ran,
         half_second - lag(half_second) OVER (PARTITION BY machine ORDER BY half_second) > 2 AS is_new
  FROM bucket WHERE waited >= 100e6 AND waited >= 0.35 * (waited + ran) GROUP BY machine, half_second
), stretch AS (
  SELECT *, sum(coalesce(is_new, 0)) OVER (PARTITION BY machine ORDER BY half_second) AS number FROM bad
), starved AS (
  SELECT machine, min(half_second) * 500000000 AS from_ns, (max(half_second) + 1) * 500000000 AS until_ns,
         sum(waited) AS waited_ns, 1.0 * sum(waited) / sum(waited + ran) AS waited_share
  FROM stretch GROUP BY machine, number HAVING count(*) >= 2
), behind AS (
  SELECT starved.machine, starved.from_ns, starved.until_ns, starved.waited_ns, starved.waited_share,
         CASE WHEN v.by_machine <> 'host' THEN v.by_machine ELSE coalesce(v.by_comm, '?') END AS who,
         sum(v.until_ns - v.from_ns) AS held
  FROM starved JOIN vcpu_slice AS v ON v.machine = starved.machine
  WHERE v.state = 'preempted' AND v.by_tid > 0 AND v.by_machine <> v.machine AND v.from_ns >= starved.from_ns AND v.from_ns < starved.until_ns
  GROUP BY 1, 2, 6
), shares AS (
  SELECT *, 1.0 * held / sum(held) OVER (PARTITION BY machine, from_ns) AS share FROM behind
)
SELECT machine AS victim, who AS culprit, share, from_ns, until_ns, 0.9 AS confidence,
       CASE WHEN waited_share >= 0.7 THEN 'critical' ELSE 'warning' END AS severity, waited_ns * share AS impact_ns,
       waited_ns, waited_share, printf('%.1f', from_ns / 1e9) AS from_s, printf('%.1f', until_ns / 1e9) AS until_s
FROM shares WHERE share >= 0.25

-- evidence: Who had the CPU while a vCPU waited
SELECT by_machine, by_comm, by_tid, count(*) AS times, sum(until_ns - from_ns) AS waited_ns FROM vcpu_slice
WHERE machine = :victim AND state = 'preempted' AND from_ns >= :from_ns AND from_ns < :until_ns
GROUP BY 1, 2, 3 ORDER BY waited_ns DESC LIMIT 5
-- evidence: The longest waits
SELECT thread, from_ns, until_ns - from_ns AS waited_ns, by_machine, by_comm FROM vcpu_slice
WHERE machine = :victim AND state = 'preempted' AND from_ns >= :from_ns AND from_ns < :until_ns
ORDER BY waited_ns DESC LIMIT 3
