"""The time budget of a training (`minutes`), and warnings that it is too short."""

from __future__ import annotations

import math

#: Largest share of a time budget that is reserved for the work after the last step.
_FINISH_SHARE = 0.2
#: Drawings per category that a network must see to be useful: with 100 categories, skfast then
#: reaches the accuracy of the reference project (74.5 %).
_USEFUL_PER_CATEGORY = 2_000
#: Share of the time budget after which the forecast of that number is made, and the number of steps
#: that it needs: the first ones are slow. After the larger share it is made from fewer steps.
_FORECAST_AT, _FORECAST_STEPS, _FORECAST_AT_LATEST = 0.05, 10, 0.25


class TimeBudget:
    """`minutes` for the whole training, of which `finish_s` are wanted after the last step.

    The network tells `n_categories` apart. With `from_scratch`, it starts from random weights;
    others are useful from the start.
    """

    def __init__(
        self, minutes: float, finish_s: float, *, n_categories: int, from_scratch: bool
    ) -> None:
        self.seconds = 60 * minutes
        #: The seconds for steps.
        self.steps_s = self.seconds - min(finish_s, _FINISH_SHARE * self.seconds)
        #: A warning that the time is too short, empty if there is none.
        self.warning = ""
        self._n_categories = n_categories
        self._n_useful = _USEFUL_PER_CATEGORY * n_categories if from_scratch else 0

    def share_done(self, elapsed_s: float) -> float:
        """The share of the steps' time that has passed, 0..1."""
        return min(1.0, elapsed_s / self.steps_s)

    def forecast(self, elapsed_s: float, *, step: int, n_seen: int, rate: float) -> None:
        """Set `warning` if the time is too short for a useful network.

        `n_seen` drawings were seen in `step` steps, and `rate` will be seen per second.
        """
        share_done = self.share_done(elapsed_s)
        if self.warning or share_done < _FORECAST_AT:
            return
        if step < _FORECAST_STEPS and share_done < _FORECAST_AT_LATEST:
            return
        n_forecast = max(1.0, n_seen + max(0.0, self.steps_s - elapsed_s) * rate)
        if n_forecast < self._n_useful:
            minutes = self.seconds / 60
            self.warning = (
                f"the time is too short for a useful network: in {minutes:g} min, at {rate:,.0f} "
                f"drawings/s, it will see about {n_forecast / self._n_categories:,.0f} drawings of "
                f"each category, and needs about {_USEFUL_PER_CATEGORY:,}; give it about "
                f"{math.ceil(minutes * self._n_useful / n_forecast):,} min"
            )

    def end(self, n_seen: int) -> None:
        """Replace the forecast, which was only a guess, by what came of it."""
        self.warning = ""
        if n_seen < self._n_useful:
            self.warning = (
                f"the network saw only {n_seen / self._n_categories:,.0f} drawings of each "
                f"category in {self.seconds / 60:g} min, and needs about "
                f"{_USEFUL_PER_CATEGORY:,} to be useful; train for longer or on a faster machine"
            )
