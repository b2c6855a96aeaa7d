package dev.mlxnative.bench.generate;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.SplittableRandom;

/**
 * A model that encodes batches of texts. The number of texts and the number of tokens, to which a batch is padded, are
 * drawn for each batch. The embeddings of some batches stay live, until the program has used them.
 */
final class Encoder implements Model {

    /** The batches whose embeddings are live. */
    private static final int KEPT_BATCHES = 8;

    private static final int ID_BYTES = 8;
    private static final int FLOAT = 4;

    /**
     * The numbers of an encoder.
     *
     * @param mostTexts the largest number of texts in a batch
     * @param mostTokens the largest number of tokens of a text
     * @param sortedBatches the number of batches of a list of texts that is sorted by length, longest first; 1 if it is
     *     not sorted
     * @param fused whether one kernel computes attention
     */
    record Settings(int layers, int mostTexts, int mostTokens, int sortedBatches, boolean fused) {}

    private final Tape tape;
    private final Transformer layer;
    private final Settings settings;
    private final SplittableRandom random;
    private final Deque<Integer> embeddings = new ArrayDeque<>();
    private int batches;
    private int longest;

    Encoder(Tape tape, Transformer layer, Settings settings, SplittableRandom random) {
        this.tape = tape;
        this.layer = layer;
        this.settings = settings;
        this.random = random;
    }

    @Override
    public void step() {
        int texts = Draws.logarithmic(random, 1, settings.mostTexts());
        if (batches++ % settings.sortedBatches() == 0) {
            longest = Draws.logarithmic(random, 8, settings.mostTokens());
        } else {
            longest -= random.nextInt(longest / settings.sortedBatches() + 1);
        }
        encode(texts, longest);
        if (embeddings.size() > KEPT_BATCHES) {
            tape.free(embeddings.removeFirst());
        }
        tape.idle(random.nextInt(2_000));
    }

    private void encode(long texts, long length) {
        long tokens = texts * length;
        int ids = tape.allocate(tokens * ID_BYTES);
        int mask = tape.allocate(tokens * ID_BYTES);
        int bias = tape.allocate(tokens * layer.elementBytes());
        int words = tape.allocate(layer.hiddenBytes(tokens));
        int positions = tape.allocate(layer.hiddenBytes(length));
        int hidden = tape.allocate(layer.hiddenBytes(tokens));
        tape.free(positions, words);
        for (int i = 0; i < settings.layers(); i++) {
            hidden = layer(hidden, texts, length);
        }
        int expandedMask = tape.allocate(tokens * layer.width() * FLOAT);
        int masked = tape.allocate(layer.hiddenBytes(tokens));
        tape.free(expandedMask, hidden);
        int sums = tape.allocate(texts * layer.width() * FLOAT);
        tape.free(masked);
        int norms = tape.allocate(texts * FLOAT);
        embeddings.addLast(tape.allocate(texts * layer.width() * FLOAT));
        tape.free(norms, sums, ids, mask, bias);
    }

    private int layer(int input, long texts, long length) {
        long tokens = texts * length;
        long bytes = layer.hiddenBytes(tokens);
        int normalised = layer.norm(tokens);
        int queries = layer.transpose(tape.allocate(bytes), bytes);
        int keys = layer.transpose(tape.allocate(bytes), bytes);
        int values = layer.transpose(tape.allocate(bytes), bytes);
        tape.free(normalised);
        int attended = layer.attention(queries, texts, length, length, settings.fused());
        tape.free(keys, values);
        int residual = layer.project(attended, input, tokens);
        return layer.add(residual, layer.feedForward(layer.norm(tokens), tokens), tokens);
    }

    @Override
    public void close() {
        embeddings.forEach(tape::free);
    }
}
