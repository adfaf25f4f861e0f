"""Who wrote what to a checkpoint directory that one incarnation of a job took over."""

from sauerkraut.testing import events


def only_the_last_one_wrote(checkpoints):
    """Nobody but the last restart has committed, pruned or completed anything since it began."""
    told = events(checkpoints)
    took_over = max(index for index, each in enumerate(told) if each["event"] == "restart")
    later = [each for each in told[took_over:] if each["event"] in ("commit", "prune", "complete")]
    assert {each["incarnation"] for each in later} == {told[took_over]["incarnation"]}
    assert sum(each["event"] == "complete" for each in told) == 1
    names = {path.name.partition(".")[2].partition("-")[0] for path in checkpoints.iterdir()}
    assert not names & {"partial", "damaged"}, names
