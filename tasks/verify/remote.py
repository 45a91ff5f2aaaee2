"""The part of a verification that a worker does."""

import json
from collections.abc import Generator
from typing import Any

from .local import Job
from .policy import VerifyPolicy
from .pool import QueueFull, Wait, WorkerDied, current_pool
from .verdict import Verdict, VerdictStatus


def remote_verdict(job: Job, policy: VerifyPolicy, limit_s: float) -> Generator[Wait, Any, Verdict]:
    """Has a worker decide a job.

    Args:
        job: What is to be compared.
        policy: The conventions.
        limit_s: Seconds of computing after which the worker is killed.

    Yields:
        The waits of the job.

    Returns:
        The verdict, through the generator's return value.
    """
    message = json.dumps(
        {"golds": job.golds, "answer": job.answer, "others": job.others, "policy": policy, "limit": limit_s}
    ).encode("ascii")
    try:
        reply = yield from current_pool().job(message, limit_s)
    except QueueFull:
        return Verdict(VerdictStatus.ERROR, job.answer, "Too many verifications wait for a worker.", job.spent_s)
    except WorkerDied:
        return Verdict(VerdictStatus.ERROR, job.answer, "The worker process died over the comparison.", job.spent_s)
    except OSError as error:
        reason = f"No worker process could be started ({error})."
        return Verdict(VerdictStatus.ERROR, job.answer, reason, job.spent_s)
    seconds = job.spent_s + reply.seconds
    if reply.message is None:
        reason = f"The comparison did not end within {limit_s:g} s."
        return Verdict(VerdictStatus.TIMEOUT, job.answer, reason, seconds, reply.queued_s)
    status = VerdictStatus(reply.message["status"])
    return Verdict(status, job.answer, reply.message["reason"], seconds, reply.queued_s)
