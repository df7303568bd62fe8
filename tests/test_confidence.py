"""When the network is believed: the temperature, the distance, and the limits fitted on the validation part."""

import numpy as np
import pytest

from ser.learn import confidence


def test_the_temperature_that_was_put_in_is_found() -> None:
    random = np.random.default_rng(0)
    logits = 3 * random.standard_normal((4000, 7))
    labels = np.array([random.choice(7, p=row) for row in np.exp(confidence.log_softmax(logits))])
    for temperature in (0.5, 1, 3):
        too_sure = np.exp(confidence.log_softmax(logits * temperature))
        assert confidence.fit_temperature(too_sure, labels) == pytest.approx(temperature, rel=0.1)


def test_a_perfect_validation_part_gives_no_certainty() -> None:
    labels = np.arange(70) % 7
    temperature = confidence.fit_temperature(np.eye(7)[labels] * 0.93 + 0.01, labels)
    assert 0.6 < temperature < 1  # without the clip that is shared by all emotions, as sure as can be: 0.25
    assert confidence.fit_temperature(np.eye(7)[labels], labels) > 5  # as sure as a float can be: far too sure


def test_the_distance_is_one_for_what_it_was_fitted_on() -> None:
    random = np.random.default_rng(0)
    clips = [random.standard_normal((50, 1)) @ np.ones((1, 6)) + random.standard_normal((50, 6)) for _ in range(200)]
    reference = confidence.fit_reference(clips)
    distances = [reference.distance(clip) for clip in clips]
    assert np.sqrt(np.mean(np.square(distances))) == pytest.approx(1, abs=0.05)
    assert reference.distance(clips[0] + 10) > 5 * max(distances)


def test_limits_accept_what_they_say() -> None:
    random = np.random.default_rng(0)
    clips = [random.standard_normal((30, 6)) for _ in range(400)]
    reference = confidence.fit_reference(clips[:200])
    probabilities = random.dirichlet(np.ones(7), 200)
    distance, probability = confidence.limits(reference, clips[200:], probabilities)
    accepted = np.array([reference.distance(clip) <= distance for clip in clips[200:]])
    assert 0.98 <= (accepted & (probabilities.max(axis=1) >= probability)).mean() <= 1


def test_a_limit_is_not_rounded_past_the_clip_that_it_comes_from() -> None:
    random = np.random.default_rng(0)
    for clips in (60, 61, 62, 63, 64):  # few: the limits are those of the clips at the ends
        frames = [random.standard_normal((30, 6)) for _ in range(clips)]
        reference = confidence.fit_reference(frames)
        probabilities = random.dirichlet(np.full(7, 5), clips)  # none as likely as 0.5, where the limit ends
        distance, probability = confidence.limits(reference, frames, probabilities)
        assert max(map(reference.distance, frames)) <= distance <= max(map(reference.distance, frames)) + 1e-4
        assert probabilities.max(axis=1).min() - 1e-4 <= probability <= probabilities.max(axis=1).min()


def test_the_temperature_lies_on_a_grid_from_a_quarter_to_ten() -> None:
    assert (confidence.TEMPERATURES[0], confidence.TEMPERATURES[-1]) == (0.25, pytest.approx(10))
    steps = confidence.TEMPERATURES[1:] / confidence.TEMPERATURES[:-1]
    assert steps == pytest.approx(np.full(399, 40 ** (1 / 399)))
    right = np.zeros(700, int)
    # So many clips, each of them right and as unsure as can be: as sure as allowed, were it not for one clip more.
    unsure = np.tile([0.16, *[0.14] * 6], (700, 1))
    assert confidence.fit_temperature(unsure, right) == 0.25
    wrong = np.tile([1e-9, 1.0, *[1e-9] * 5], (70, 1))
    assert confidence.fit_temperature(wrong, right[:70]) == 10


def test_the_temperature_has_one_clip_more_in_mind() -> None:
    """Two emotions, one clip, which is right: of 1 + 1 clips 1.5 are right, so 0.75 is as sure as it may be."""
    logit = np.log(0.75 / 0.25)
    for temperature in (0.5, 1.0, 2.0):
        given = 1 / (1 + np.exp(-logit * temperature))
        found = confidence.fit_temperature(np.array([[given, 1 - given]]), np.array([0]))
        assert found == pytest.approx(temperature, rel=0.005)  # half a step of the grid


def test_the_summary_of_a_clip_is_means_and_deviations() -> None:
    assert confidence.summary(np.array([[1.0, 5.0], [3.0, 5.0]])).tolist() == [2, 5, 1, 0]


@pytest.mark.parametrize(
    ("clips", "columns", "axes"), [(3, 4, 1), (7, 4, 1), (8, 4, 2), (20, 4, 5), (100, 4, 7), (170, 30, 40)]
)
def test_axes_are_a_quarter_of_the_clips_and_forty_at_most(clips: int, columns: int, axes: int) -> None:
    random = np.random.default_rng(0)
    frames = [random.standard_normal((20, columns)) for _ in range(clips)]
    reference = confidence.fit_reference(frames)
    assert reference.axes.shape == (2 * columns, axes) and reference.spread.shape == (axes,)
    assert reference.axes.T @ reference.axes == pytest.approx(np.eye(axes), abs=1e-5)
    # The mean of the squares is 1 by construction, but for what is rounded to float32.
    distances = [reference.distance(one) for one in frames]
    assert np.mean(np.square(distances)) == pytest.approx(1, abs=1e-3)


def test_the_distance_is_that_of_an_inverted_covariance() -> None:
    """The same Gaussian, written out as a covariance matrix."""
    random = np.random.default_rng(1)
    mixing = random.standard_normal((5, 5))
    frames = [random.standard_normal((9, 5)) @ mixing + random.standard_normal(5) for _ in range(24)]
    reference = confidence.fit_reference(frames)
    points = np.array([confidence.summary(one) for one in frames])
    assert reference.centre == pytest.approx(points.mean(axis=0), abs=1e-5)
    assert reference.scale == pytest.approx(points.std(axis=0), rel=1e-5)
    scaled = (points - points.mean(axis=0)) / points.std(axis=0)
    values, vectors = np.linalg.eigh(scaled.T @ scaled / len(scaled))
    kept, values[:-6] = 6, values[:-6].mean()  # a quarter of 24 clips
    covariance = vectors @ np.diag(values) @ vectors.T
    assert reference.spread == pytest.approx(np.sqrt(values[::-1][:kept]), rel=1e-4)
    for clip in (frames[0], frames[1] + 3):
        point = (confidence.summary(clip) - points.mean(axis=0)) / points.std(axis=0)
        expected = np.sqrt(point @ np.linalg.solve(covariance, point) / 10)
        assert reference.distance(clip) == pytest.approx(expected, rel=1e-3)


def test_a_direction_that_training_clips_do_not_take_does_not_count_for_ever() -> None:
    """All columns move together: across that line there is no variance, and 0.01 is put in its place."""
    shifts = np.random.default_rng(0).standard_normal(40)
    frames = [np.tile([[shift - 1], [shift + 1]], (1, 3)) for shift in shifts]  # a deviation of 1 in every clip
    reference = confidence.fit_reference(frames)
    assert reference.rest == pytest.approx(0.1) and reference.spread.min() == pytest.approx(0.1)
    # The deviations never change: a thousandth is what they are scaled by.
    assert reference.scale.tolist() == pytest.approx([shifts.std()] * 3 + [1e-3] * 3, rel=1e-4)


def test_a_limit_is_kept_by_what_reaches_it() -> None:
    assert confidence.unlike(2.0, 2.0) is None
    assert confidence.unlike(np.nextafter(2.0, 3), 2.0) == "unlike the training clips (distance 2.0, limit 2.0)"
    assert confidence.undecided(np.array([0.1, 0.5, 0.4]), 0.5) is None
    assert confidence.undecided(np.array([0.3, 0.4, 0.3]), 0.5) == "no emotion prevails (likeliest 0.40, limit 0.50)"


def test_each_limit_refuses_half_a_percent_and_no_more_than_even_odds_are_asked() -> None:
    class Known:
        """Distances as they come."""

        @staticmethod
        def distance(frames: np.ndarray) -> float:
            return float(frames[0, 0])

    clips = [np.full((1, 1), i / 1000) for i in range(1001)]
    likeliest = np.linspace(0.2, 0.45, 1001)
    answers = np.c_[likeliest, 1 - likeliest[:, None].repeat(3, axis=1)]
    answers[:, 1:] = (1 - likeliest[:, None]) / 3
    assert np.all(answers.max(axis=1) == np.maximum(likeliest, (1 - likeliest) / 3))
    distance, probability = confidence.limits(Known(), clips, answers)  # type: ignore[arg-type]
    assert distance == pytest.approx(0.995, abs=1e-4)
    assert probability == pytest.approx(np.quantile(answers.max(axis=1), 0.005), abs=3e-4)
    assert confidence.limits(Known(), clips, np.full((1001, 1), 0.9))[1] == 0.5  # type: ignore[arg-type]


def test_large_logits_are_no_overflow() -> None:
    assert confidence.log_softmax(np.array([1000.0, 0.0])).tolist() == [0, -1000]
