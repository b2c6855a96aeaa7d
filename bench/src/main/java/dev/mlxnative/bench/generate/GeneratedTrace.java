package dev.mlxnative.bench.generate;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.SplittableRandom;

/** The traces that are generated. Each has a rule for each thread of its program, and a seed. */
public enum GeneratedTrace {
    ENCODER_FUSED("encoder-fused", 1, 20_000, Rules.encoder(384, 6, 64, 256, 1, true)),
    ENCODER_SCORES("encoder-scores", 2, 12_000, Rules.encoder(512, 8, 16, 384, 1, false)),
    ENCODER_SORTED("encoder-sorted", 3, 16_000, Rules.encoder(512, 8, 32, 256, 24, true)),
    DECODER_COPIED_CACHES("decoder-copied-caches", 4, 30_000, Rules.decoder(12, 1, 768, 24, 1)),
    DECODER_STEPPED_CACHES("decoder-stepped-caches", 5, 30_000, Rules.decoder(8, 2, 1024, 96, 64)),
    DECODER_SERVING("decoder-serving", 6, 40_000, Rules.decoder(6, 8, 768, 24, 1)),
    EXPERTS_FEW("experts-few", 7, 30_000, Rules.experts(12, 512, 12, 8, 2)),
    EXPERTS_MANY("experts-many", 8, 30_000, Rules.experts(8, 384, 12, 32, 6)),
    IMAGES_SMALL("images-small", 9, 8_000, Rules.images(24, 64, 160, 4)),
    IMAGES_LARGE("images-large", 10, 5_000, Rules.images(48, 88, 320, 3)),
    MIXED_MODELS(
            "mixed-models",
            11,
            30_000,
            Rules.turns(
                    Rules.encoder(384, 6, 48, 256, 1, true),
                    Rules.decoder(8, 1, 512, 24, 1),
                    Rules.images(24, 48, 160, 4))),
    MIXED_ENCODERS(
            "mixed-encoders",
            12,
            20_000,
            Rules.turns(
                    Rules.encoder(384, 6, 64, 128, 1, true),
                    Rules.encoder(768, 10, 16, 384, 8, true),
                    Rules.encoder(512, 8, 8, 256, 1, false))),
    TWO_THREADS("two-threads", 13, 30_000, Rules.encoder(512, 8, 32, 256, 1, true), Rules.decoder(8, 1, 512, 48, 1)),
    TWO_ENCODERS(
            "two-encoders",
            14,
            20_000,
            Rules.encoder(384, 6, 64, 256, 1, true),
            Rules.encoder(768, 10, 16, 384, 1, false));

    private final String label;
    private final int seed;
    private final int requests;
    private final List<Rules.Rule> threads;

    /** @param requests the least number of allocations of all threads together */
    GeneratedTrace(String label, int seed, int requests, Rules.Rule... threads) {
        this.label = label;
        this.seed = seed;
        this.requests = requests;
        this.threads = List.of(threads);
    }

    /** The name on the command line and in the results. */
    public String label() {
        return label;
    }

    /** Generates the events, which are the same each time. */
    public List<Event> events() {
        var random = new SplittableRandom(seed);
        var tapes = new ArrayList<Tape>();
        var models = new ArrayList<Model>();
        for (Rules.Rule rule : threads) {
            var tape = new Tape(tapes.size(), random.split());
            tapes.add(tape);
            models.add(rule.start(tape, random.split()));
        }
        while (tapes.stream().mapToInt(Tape::requests).sum() < requests) {
            models.get(tapes.indexOf(earliest(tapes))).step();
        }
        models.forEach(Model::close);
        return tapes.stream()
                .flatMap(tape -> tape.events().stream())
                .sorted(Comparator.comparingLong(Event::micros)) // stable, so each thread's events keep their order
                .toList();
    }

    /** The thread that runs next, so that no thread ends long before another. */
    private static Tape earliest(List<Tape> tapes) {
        return tapes.stream().min(Comparator.comparingLong(Tape::micros)).orElseThrow();
    }
}
