-- title: The guest does not run
-- means: A vCPU left its guest and did not go back for a second and more, although the guest had something to do: QEMU is stuck, or
--   stopped, or KVM waits for something. Where no exits are seen (TCG), it is told by the agent in the guest, which wakes 20 times a
--   second.
-- needs: sched@host
-- severity: critical
-- text: {victim} (thread {thread}) did not run its guest for {stuck_ns}, from {from_ns} to {until_ns}: {state}{after}.
-- advice: See whether the guest is paused (QMP query-status, virsh domstate --reason) or QEMU hangs: /proc/{thread}/stack tells where
--   the thread waits.
WITH told AS (
  SELECT machine FROM recorded WHERE what = 'events' AND recorded
)
SELECT machine AS victim, from_ns, until_ns, CASE open WHEN 1 THEN 0.8 ELSE 0.9 END AS confidence,
       until_ns - from_ns AS impact_ns, until_ns - from_ns AS stuck_ns, thread, vcpu, state, reason,
       CASE WHEN reason IS NULL THEN '' ELSE ' after an exit for ' || reason END AS after
FROM vcpu_slice AS stuck
WHERE until_ns - from_ns >= 1000000000 AND state IN ('exit', 'userspace', 'blocked')
  AND (reason NOT LIKE '%hlt%'
       OR reason IS NULL AND machine IN told AND NOT EXISTS (
         SELECT 1 FROM vcpu_slice AS other WHERE other.machine = stuck.machine AND other.state = 'running'
           AND other.from_ns < stuck.until_ns AND other.until_ns > stuck.from_ns))

-- evidence: What the vCPU did before
SELECT state, reason, from_ns, until_ns - from_ns AS took_ns FROM vcpu_slice
WHERE machine = :victim AND thread = :thread AND until_ns <= :from_ns ORDER BY until_ns DESC LIMIT 5
