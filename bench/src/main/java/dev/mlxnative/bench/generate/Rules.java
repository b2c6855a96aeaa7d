package dev.mlxnative.bench.generate;

import java.util.List;
import java.util.SplittableRandom;
import java.util.stream.Stream;

/** The rules of the generated traces: models with their numbers. */
final class Rules {

    private static final int HALF = 2;
    private static final int VOCABULARY = 32_000;

    /** The longest run of steps of a model before another takes its turn. */
    private static final int MOST_STEPS_OF_TURN = 6;

    private Rules() {}

    /** Starts the program of a thread. */
    interface Rule {
        Model start(Tape tape, SplittableRandom random);
    }

    static Rule encoder(int width, int layers, int mostTexts, int mostTokens, int sortedBatches, boolean fused) {
        var settings = new Encoder.Settings(layers, mostTexts, mostTokens, sortedBatches, fused);
        return (tape, random) ->
                new Encoder(tape, new Transformer(tape, width, 4 * width, 8, 8, HALF), settings, random);
    }

    /** A dense language model with quantised weights. */
    static Rule decoder(int layers, int sequences, int mostPrompt, int mostTokens, int cacheTokens) {
        var settings = new Decoder.Settings(layers, sequences, mostPrompt, mostTokens, cacheTokens, VOCABULARY, 0, 0);
        return (tape, random) ->
                new Decoder(tape, new Transformer(tape, 1024, 2816, 16, 4, HALF), settings, true, random);
    }

    /** A language model that sends each token to some of its experts. The trace begins after its weights. */
    static Rule experts(int layers, int mostPrompt, int mostTokens, int experts, int expertsOfToken) {
        var settings = new Decoder.Settings(layers, 1, mostPrompt, mostTokens, 1, VOCABULARY, experts, expertsOfToken);
        return (tape, random) ->
                new Decoder(tape, new Transformer(tape, 2048, 3584, 16, 8, HALF), settings, false, random);
    }

    static Rule images(int leastSide, int mostSide, int channels, int steps) {
        var settings = new ImageDiffusion.Settings(leastSide, mostSide, channels, steps, HALF);
        return (tape, random) -> new ImageDiffusion(tape, settings, random);
    }

    /** Several models in one thread: each runs some steps, then one that is drawn takes its turn. */
    static Rule turns(Rule... rules) {
        return (tape, random) -> {
            List<Model> models = Stream.of(rules)
                    .map(rule -> rule.start(tape, random.split()))
                    .toList();
            return new Model() {
                @Override
                public void step() {
                    Model model = models.get(random.nextInt(models.size()));
                    for (int steps = 1 + random.nextInt(MOST_STEPS_OF_TURN); steps > 0; steps--) {
                        model.step();
                    }
                }

                @Override
                public void close() {
                    models.forEach(Model::close);
                }
            };
        };
    }
}
