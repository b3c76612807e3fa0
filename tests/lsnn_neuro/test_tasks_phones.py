import numpy as np
import pytest
from pydantic import ValidationError
from speech_folders import PHONES, needs_phones, timit, utterance, write_labels

from lsnn_neuro.data.timit import PHONES as TIMIT_PHONES
from lsnn_neuro.errors import DataError
from lsnn_neuro.tasks.phones import (
    UNLABELLED,
    Phones,
    PhonesConfig,
    Recording,
    fold_labels,
    split_into_chunks,
)


def make(folder, **fields):
    return Phones(PhonesConfig(data=str(folder), **({"max_frames": 40} | fields)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return timit(tmp_path_factory.mktemp("timit"))


@pytest.fixture(scope="module")
def task(folder):
    return make(folder)


def test_every_frame_is_a_decision_five_steps_long(task):
    batch = next(task.batches("test", 1))
    labels = batch.labels
    assert (task.n_steps, task.n_inputs) == (200, 26 * 5)
    np.testing.assert_array_equal(labels.start, 5 * np.arange(40))
    np.testing.assert_array_equal(labels.stop - labels.start, 5)
    assert [task.folding.classes[i] for i in labels.target] == (
        ["h#"] * 10 + ["iy"] * 10 + ["s"] * 10 + ["aa"] * 10
    )


def test_a_lag_moves_decisions_and_not_the_sound(folder, task):
    late = make(folder, lag_frames=3)
    plain, lagged = (next(t.batches("test", 2)) for t in (task, late))
    np.testing.assert_array_equal(lagged.labels.start, plain.labels.start + 15)
    np.testing.assert_array_equal(lagged.labels.target, plain.labels.target)
    np.testing.assert_array_equal(lagged.inputs[:200], plain.inputs)
    assert not lagged.inputs[200:].any()


def test_inputs_fire_in_the_first_step_of_a_frame_up_to_the_level_reached(task):
    spikes = next(task.batches("test", 2)).inputs
    by_frame = spikes.reshape(40, 5, 2, 26, 5)
    assert not by_frame[:, 1:].any()
    reached = by_frame[:, 0]  # (frame, sample, feature, level)
    assert (reached[..., :-1] >= reached[..., 1:]).all()
    assert reached.any(axis=(0, 1, 2)).all()


def test_each_level_is_reached_in_its_share_of_the_training_frames(task):
    frames = np.concatenate([r.frames for r in task.recordings["train"]])
    spikes = task.config.encode([frames], [0], 5 * len(frames))
    share = spikes.reshape(len(frames), 5, 26, 5)[:, 0].mean(axis=0)  # (feature, level)
    np.testing.assert_allclose(
        share, np.tile([5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6], (26, 1)), atol=0.02
    )


def test_the_scale_of_the_features_knows_nothing_of_the_held_out_recordings(tmp_path):
    before = make(timit(tmp_path))
    for file in (tmp_path / "TEST").rglob("*.WAV"):
        utterance(file, ["s", "s", "s", "s"])
    after = make(tmp_path)
    for a, b in zip(before.recordings["train"], after.recordings["train"], strict=True):
        np.testing.assert_array_equal(a.frames, b.frames)


def test_short_samples_are_followed_by_silence_without_decisions(folder):
    task = make(folder, max_frames=60)
    batch = next(task.batches("test", 2))
    assert not batch.inputs[200:].any()
    assert batch.labels.stop.max() == 200


def test_long_recordings_are_cut_and_every_frame_is_judged_once(folder, task):
    chunks = make(folder, max_frames=15, lag_frames=2)
    assert chunks.n_samples("test") == 2 * 3
    whole, parts = (next(t.batches("test", 9)).labels for t in (task, chunks))
    np.testing.assert_array_equal(parts.target, whole.target)
    inputs = next(chunks.batches("test", 1)).inputs  # frames 0 to 12, and two more
    np.testing.assert_array_equal(inputs[:75], next(task.batches("test", 1)).inputs[:75])
    assert not inputs[75:].any()


@pytest.mark.parametrize(("n", "most"), [(1, 1), (7, 3), (40, 40), (41, 40), (100, 7)])
def test_chunks_are_few_and_nearly_equal(n, most):
    recording = Recording(frames=np.zeros((n, 1), np.uint8), target=np.zeros(n, np.int64))
    chunks = split_into_chunks(recording, most)
    lengths = [chunk.stop - chunk.start for chunk in chunks]
    assert sum(lengths) == n
    assert max(lengths) <= most
    assert max(lengths) - min(lengths) <= 1
    assert len(chunks) == -(-n // most)


def test_training_chunks_move_within_their_recording(folder):
    task = make(folder, max_frames=15)
    batch = task.train_batch(200, np.random.default_rng(0))
    trained = {batch.inputs[:, i].tobytes() for i in range(200)}
    assert len(trained) > 7 * 3  # more than there are chunks
    for chunk in task._chunks["train"]:
        for by in (-99, -3, 0, 4, 99):
            shifted = chunk.shifted(by)
            assert shifted.stop - shifted.start == chunk.stop - chunk.start
            assert shifted.start >= 0
            assert shifted.stop <= 40


def test_training_depends_on_nothing_but_the_generator(folder, task):
    first, second = (t.train_batch(3, np.random.default_rng(5)) for t in (task, make(folder)))
    np.testing.assert_array_equal(first.inputs, second.inputs)
    np.testing.assert_array_equal(first.labels.target, second.labels.target)


def test_a_share_of_the_training_spikes_is_dropped_and_of_no_others(folder, task):
    dropping = make(folder, drop_spikes=0.25)
    full, some = (t.train_batch(50, np.random.default_rng(5)) for t in (task, dropping))
    assert not (some.inputs & ~full.inputs).any()
    assert some.inputs.sum() / full.inputs.sum() == pytest.approx(0.75, abs=0.01)
    np.testing.assert_array_equal(some.labels.target, full.labels.target)
    test, same = (next(t.batches("test", 2)) for t in (task, dropping))
    np.testing.assert_array_equal(test.inputs, same.inputs)


def test_a_split_is_the_same_at_every_batch_size(folder):
    task = make(folder, max_frames=15)
    whole, parts = next(task.batches("test", 6)), list(task.batches("test", 4))
    np.testing.assert_array_equal(np.concatenate([p.inputs for p in parts], axis=1), whole.inputs)
    np.testing.assert_array_equal(
        np.concatenate([p.labels.target for p in parts]), whole.labels.target
    )


@pytest.mark.parametrize(("n_classes", "n"), [(61, 60), (48, 48), (39, 39)])
def test_timits_phones_are_trained_finer_than_they_are_scored(n_classes, n):
    folding = fold_labels(TIMIT_PHONES, n_classes)
    assert len(folding.classes) == n
    assert len(set(folding.class_map)) == 39
    assert "q" not in folding.index
    counts_as = {phone: folding.class_map[index] for phone, index in folding.index.items()}
    assert counts_as["ih"] == counts_as["ix"] != counts_as["iy"]
    assert counts_as["bcl"] == counts_as["h#"] == counts_as["tcl"]
    assert (folding.index["ih"] == folding.index["ix"]) == (n_classes == 39)


def test_timits_classes_do_not_depend_on_which_of_them_occur():
    some, all_of_them = fold_labels({"aa", "zh"}, 48), fold_labels(TIMIT_PHONES, 48)
    assert some.classes == all_of_them.classes
    assert some.index == all_of_them.index
    np.testing.assert_array_equal(some.class_map, all_of_them.class_map)


def test_a_network_of_other_classes_is_not_scored(task):
    batch = next(task.batches("test", 1))
    with pytest.raises(DataError, match="3 outputs for a task of 60 classes"):
        batch.labels.score(np.zeros((task.n_steps, 1, 3)))


def test_labels_that_are_not_timits_are_classes_of_their_own():
    folding = fold_labels({"ix", "ih", "noise", "q"}, 39)
    assert folding.classes == ("ih", "ix", "noise", "q")
    assert folding.class_map.tolist() == [0, 1, 2, 3]


def test_a_confusion_within_a_folded_class_is_right(tmp_path):
    for part in ("TRAIN", "TEST"):
        for i in range(2):
            utterance(tmp_path / part / "DR1" / "MAAA0" / f"SX{i}.WAV", ["ih", "ix", "s", "ix"])
    task = make(tmp_path)
    batch = next(task.batches("test", 1))
    readout = np.zeros((task.n_steps, 1, task.n_outputs))
    readout[:, :, task.folding.classes.index("ih")] = 1  # says ih all the time
    assert batch.labels.score(readout).value == 30 / 40


def test_frames_without_a_label_and_the_glottal_stop_are_not_judged(tmp_path):
    timit(tmp_path)
    file = utterance(tmp_path / "TEST" / "DR1" / "MAAAE" / "SX0.WAV", ["iy", "q", "s", "aa"])
    write_labels(file.with_suffix(".PHN"), [(0, 1600, "iy"), (1600, 3200, "q"), (4800, 6400, "aa")])
    task = make(tmp_path)
    batch = next(task.batches("test", 1))
    assert (batch.labels.start // 5).tolist() == [*range(10), *range(30, 40)]
    assert (task.recordings["test"][0].target[10:30] == UNLABELLED).all()
    assert batch.inputs[50:150].any()


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"phones": 40}, "phones"),
        ({"max_frames": 0}, "max_frames"),
        ({"levels": 0}, "levels"),
        ({"data": ""}, "data"),
        ({"features": "raw"}, "features"),
    ],
)
def test_wrong_settings_are_refused_by_name(fields, message):
    with pytest.raises(ValidationError, match=message):
        PhonesConfig(**({"data": "x"} | fields))


def test_unknown_splits_empty_batches_and_short_recordings_are_refused(tmp_path, task):
    with pytest.raises(DataError, match="'train': allowed are"):
        next(task.batches("train", 4))
    with pytest.raises(DataError, match="at least 1"):
        task.train_batch(0, np.random.default_rng(0))
    utterance(timit(tmp_path) / "TEST" / "DR1" / "MAAAE" / "SX0.WAV", n=30)
    with pytest.raises(DataError, match=r"SX0\.WAV: .*120 samples"):
        make(tmp_path)


@needs_phones
@pytest.mark.slow
def test_real_speech_is_heard_and_labelled():
    task = make(PHONES, max_frames=200)
    assert task.n_outputs == 60
    assert sum(len(b.labels) for b in task.batches("test", 50)) == 17_573


def test_both_ways_a_frame_is_heard_forwards_and_backwards(folder, task):
    both = make(folder, bidirectional=True, lag_frames=3)
    assert both.n_samples("test") == 2 * task.n_samples("test")
    batch = next(both.batches("test", 4))
    plain = next(make(folder, lag_frames=3).batches("test", 2))
    forwards, backwards = batch.inputs[:, ::2], batch.inputs[:, 1::2]
    np.testing.assert_array_equal(forwards[..., :-1], plain.inputs)
    assert not forwards[..., -1].any()
    assert backwards[..., -1].all()
    frames = backwards[..., :-1].reshape(43, 5, 2, -1)[:, 0]
    np.testing.assert_array_equal(frames[:40], plain.inputs.reshape(43, 5, 2, -1)[39::-1, 0])
    labels = batch.labels
    np.testing.assert_array_equal(labels.target, plain.labels.target)
    n = len(labels.target)
    np.testing.assert_array_equal(labels.start[:n], plain.labels.start)
    first = plain.labels.sample == 0  # its frame f is, backwards, frame 39 - f
    ends = 5 * (39 - np.flatnonzero(first) + 3)
    np.testing.assert_array_equal(labels.start[n:][first], ends)
    np.testing.assert_array_equal(labels.sample[n:], 2 * plain.labels.sample + 1)
    assert next(both.batches("test", 2, 2)).size == 2
    with pytest.raises(DataError, match="choose an even number"):
        next(both.batches("test", 3))


def test_a_sequence_has_one_direction(folder):
    with pytest.raises(ValidationError, match="a sequence has one direction"):
        make(folder, bidirectional=True, answer="sequence")


def test_in_sequence_the_same_frames_are_asked_for_their_phones_in_order(folder, task):
    sequences = make(folder, answer="sequence")
    assert sequences.n_outputs == task.n_outputs + 1
    labels = next(sequences.batches("test", 1)).labels
    assert [sequences.folding.classes[i] for i in labels.labels[0]] == ["h#", "iy", "s", "aa"]
    np.testing.assert_array_equal(labels.start, 5 * np.arange(40))


def test_classes_are_put_in_the_order_of_a_network(tmp_path):
    """A network may know more classes, in another order: each label goes to the output of its name."""
    data = timit(tmp_path)
    for file in data.rglob("*.WAV"):
        utterance(file, ["xe", "xi", "xo", "xe"])
    task = make(data, max_frames=50)
    assert task.class_names == ("xe", "xi", "xo")
    moved = task.relabelled(("xo", "xa", "xe", "xi"))
    (ours,), (theirs,) = (list(t.batches("test", 10)) for t in (task, moved))
    np.testing.assert_array_equal(ours.inputs, theirs.inputs)
    names = [task.class_names[i] for i in ours.labels.target]
    assert names == [moved.class_names[i] for i in theirs.labels.target]
    assert moved.n_outputs == 4
    assert theirs.labels.correct(theirs.labels.target).all()
    with pytest.raises(DataError, match="the data have the class 'xo', which the network was not"):
        task.relabelled(("xa", "xe", "xi"))
