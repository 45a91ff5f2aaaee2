"""Observations as bytes, for networks that take arrays."""

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


class ByteObservations(gym.ObservationWrapper[NDArray[np.uint8], str, str], gym.utils.RecordConstructorArgs):
    """Turns the text into its UTF-8 bytes, cut or padded with zeros to a fixed length.

    Args:
        env: A text environment.
        length: The number of bytes; the observation space is `Box(0, 255, (length,), uint8)`.
    """

    def __init__(self, env: gym.Env[str, str], length: int = 1024) -> None:
        gym.utils.RecordConstructorArgs.__init__(self, length=length)
        super().__init__(env)
        self._length = length
        self.observation_space = spaces.Box(0, 255, (length,), np.uint8)

    def observation(self, observation: str) -> NDArray[np.uint8]:
        """Return the bytes, uint8 of shape (length,)."""
        data = observation.encode("utf-8", "replace")[: self._length]
        array = np.zeros(self._length, dtype=np.uint8)
        array[: len(data)] = np.frombuffer(data, dtype=np.uint8)
        return array
