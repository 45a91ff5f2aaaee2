"""Wrappers: stateless, so that snapshots of the environment inside stay complete."""

from .byte_observations import ByteObservations
from .discrete_actions import DiscreteActions
from .extract_action import ExtractAction
from .record_episode import RecordEpisode

__all__ = ["ByteObservations", "DiscreteActions", "ExtractAction", "RecordEpisode"]
