package dev.mlxnative.bench.generate;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * A language model that generates text: the prompt of a sequence, then one token after the other, with a cache of keys
 * and values in each layer that grows. Sequences take turns, and another one takes the place of one that has ended.
 */
final class Decoder implements Model {

    private static final int ID_BYTES = 8;
    private static final int FLOAT = 4;

    /** The elements of a group of quantised weights, which has a scale and an offset. */
    private static final int GROUP = 64;

    /**
     * The numbers of a decoder.
     *
     * @param sequences the sequences that take turns
     * @param mostPrompt the largest number of tokens of a prompt; the smallest is an eighth of it
     * @param mostTokens the largest number of tokens that follow a prompt
     * @param cacheTokens the tokens by which a cache grows: 1 if each step copies it
     * @param vocabulary the number of tokens that exist
     * @param experts the experts of a layer, or 0 for a dense model
     * @param expertsOfToken the experts that a token uses
     */
    record Settings(
            int layers,
            int sequences,
            int mostPrompt,
            int mostTokens,
            int cacheTokens,
            int vocabulary,
            int experts,
            int expertsOfToken) {}

    /** The keys and the values of a layer. */
    private static final class Cache {
        private int keys;
        private int values;
    }

    private static final class Sequence {
        private final List<Cache> caches = new ArrayList<>();
        private int tokens;
        private int tokensLeft;
        private int capacity;
    }

    private final Tape tape;
    private final Transformer layer;
    private final Settings settings;
    private final SplittableRandom random;
    private final List<Integer> weights = new ArrayList<>();
    private final List<Sequence> sequences = new ArrayList<>();
    private int turn;

    /** @param quantised whether the program allocates the weights, quantised to four bits, or none */
    Decoder(Tape tape, Transformer layer, Settings settings, boolean quantised, SplittableRandom random) {
        this.tape = tape;
        this.layer = layer;
        this.settings = settings;
        this.random = random;
        if (quantised) {
            allocateWeights();
        }
        for (int i = 0; i < settings.sequences(); i++) {
            sequences.add(new Sequence());
        }
    }

    private void allocateWeights() {
        long width = layer.width();
        long keyWidth = width / layer.heads() * layer.keyHeads();
        allocateMatrix(settings.vocabulary() * width);
        for (int i = 0; i < settings.layers(); i++) {
            weights.add(tape.allocate(layer.hiddenBytes(1)));
            allocateMatrix(width * width);
            allocateMatrix(width * keyWidth);
            allocateMatrix(width * keyWidth);
            allocateMatrix(width * width);
            weights.add(tape.allocate(layer.hiddenBytes(1)));
            for (int expert = 0; expert < Math.max(1, settings.experts()); expert++) {
                allocateMatrix(width * layer.inner());
                allocateMatrix(width * layer.inner());
                allocateMatrix(width * layer.inner());
            }
        }
    }

    private void allocateMatrix(long elements) {
        weights.add(tape.allocate(elements / 2));
        weights.add(tape.allocate(elements / GROUP * layer.elementBytes()));
        weights.add(tape.allocate(elements / GROUP * layer.elementBytes()));
    }

    @Override
    public void step() {
        Sequence sequence = sequences.get(turn++ % sequences.size());
        if (sequence.tokensLeft == 0) {
            end(sequence);
            sequence.tokensLeft = Draws.logarithmic(random, 4, settings.mostTokens());
            run(sequence, Draws.logarithmic(random, settings.mostPrompt() / 8, settings.mostPrompt()));
        } else {
            sequence.tokensLeft--;
            run(sequence, 1);
        }
    }

    private void run(Sequence sequence, int tokens) {
        boolean grows = sequence.tokens + tokens > sequence.capacity;
        sequence.tokens += tokens;
        if (grows) {
            int blocks = (sequence.tokens + settings.cacheTokens() - 1) / settings.cacheTokens();
            sequence.capacity = blocks * settings.cacheTokens();
        }
        int ids = tape.allocate((long) tokens * ID_BYTES);
        int hidden = tape.allocate(layer.hiddenBytes(tokens));
        for (int i = 0; i < settings.layers(); i++) {
            hidden = layer(hidden, sequence, i, tokens, grows);
        }
        int normalised = layer.preciseNorm(tokens);
        tape.free(hidden, ids);
        sample(normalised);
    }

    private int layer(int input, Sequence sequence, int index, int tokens, boolean grows) {
        int normalised = layer.preciseNorm(tokens);
        int queries = layer.rotate(tape.allocate(layer.hiddenBytes(tokens)), layer.hiddenBytes(tokens));
        int keys = layer.rotate(tape.allocate(layer.keyBytes(tokens)), layer.keyBytes(tokens));
        int values = tape.allocate(layer.keyBytes(tokens));
        tape.free(normalised);
        if (grows) {
            grow(sequence, index);
        }
        tape.free(keys, values);
        int attended = layer.attention(queries, 1, tokens, sequence.tokens, tokens > 1);
        int residual = layer.project(attended, input, tokens);
        int branch = layer.preciseNorm(tokens);
        branch = settings.experts() == 0 ? layer.gatedFeedForward(branch, tokens) : experts(branch, tokens);
        return layer.add(residual, branch, tokens);
    }

    /** Allocates larger caches, to which the old ones are copied. */
    private void grow(Sequence sequence, int index) {
        long bytes = layer.keyBytes(sequence.capacity);
        if (index == sequence.caches.size()) {
            var cache = new Cache();
            cache.keys = tape.allocate(bytes);
            cache.values = tape.allocate(bytes);
            sequence.caches.add(cache);
        } else {
            Cache cache = sequence.caches.get(index);
            cache.keys = layer.transpose(cache.keys, bytes);
            cache.values = layer.transpose(cache.values, bytes);
        }
    }

    /** Sends each token to some experts: an expert gathers its tokens, and adds its results to the sum. */
    private int experts(int input, int tokens) {
        int scores = tape.allocate((long) tokens * settings.experts() * FLOAT);
        int chosen = tape.allocate((long) tokens * settings.expertsOfToken() * ID_BYTES);
        int sum = tape.allocate(layer.hiddenBytes(tokens));
        for (int count : Draws.distribute(random, tokens * settings.expertsOfToken(), settings.experts())) {
            if (count > 0) {
                int places = tape.allocate((long) count * ID_BYTES);
                int gathered = tape.allocate(layer.hiddenBytes(count));
                int result = layer.gatedFeedForward(gathered, count);
                tape.scratch(layer.hiddenBytes(count));
                tape.free(result, places);
            }
        }
        tape.free(chosen, scores, input);
        return sum;
    }

    /** Chooses the next token by the last one's scores. */
    private void sample(int normalised) {
        int last = tape.allocate(layer.hiddenBytes(1));
        tape.free(normalised);
        int scores = tape.allocate((long) settings.vocabulary() * layer.elementBytes());
        tape.free(last);
        int precise = tape.allocate((long) settings.vocabulary() * FLOAT);
        tape.free(scores);
        int probabilities = tape.allocate((long) settings.vocabulary() * FLOAT);
        tape.free(precise);
        tape.scratch(ID_BYTES);
        tape.free(probabilities);
    }

    private void end(Sequence sequence) {
        for (Cache cache : sequence.caches) {
            tape.free(cache.keys, cache.values);
        }
        sequence.caches.clear();
        sequence.tokens = 0;
        sequence.capacity = 0;
    }

    @Override
    public void close() {
        sequences.forEach(this::end);
        weights.forEach(tape::free);
    }
}
