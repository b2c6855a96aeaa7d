package dev.mlxnative.bench.generate;

/**
 * The buffers of a layer of a transformer. Each method allocates what the kernels of a part of a layer write, frees
 * each buffer after its last use, and returns the result.
 *
 * @param tape where the buffers are allocated
 * @param width the elements of a token's hidden state
 * @param inner the elements of a token between the two matrices of the feed-forward part
 * @param heads the number of attention heads
 * @param keyHeads the number of heads of keys and values
 * @param elementBytes the bytes of an element
 */
record Transformer(Tape tape, int width, int inner, int heads, int keyHeads, int elementBytes) {

    private static final int FLOAT = 4;

    long hiddenBytes(long tokens) {
        return tokens * width * elementBytes;
    }

    /** The bytes of the keys of the tokens, or of their values. */
    long keyBytes(long tokens) {
        return tokens * width / heads * keyHeads * elementBytes;
    }

    /** Normalises; the mean and the deviation of each token live while the kernel runs. */
    int norm(long tokens) {
        int mean = tape.allocate(tokens * FLOAT);
        int deviation = tape.allocate(tokens * FLOAT);
        int result = tape.allocate(hiddenBytes(tokens));
        tape.free(mean, deviation);
        return result;
    }

    /** Normalises in single precision, with a copy of the input before it and of the result after it. */
    int preciseNorm(long tokens) {
        int input = tape.allocate(tokens * width * FLOAT);
        int squares = tape.allocate(tokens * width * FLOAT);
        int mean = tape.allocate(tokens * FLOAT);
        tape.free(squares);
        int normalised = tape.allocate(tokens * width * FLOAT);
        tape.free(mean, input);
        int result = tape.allocate(hiddenBytes(tokens));
        tape.free(normalised);
        return result;
    }

    /** Moves the heads of a tensor to the front, which copies it, and frees the tensor. */
    int transpose(int tensor, long bytes) {
        int result = tape.allocate(bytes);
        tape.free(tensor);
        return result;
    }

    /** Rotates a tensor by position: the halves are temporary copies. */
    int rotate(int tensor, long bytes) {
        int rotated = tape.allocate(bytes);
        tape.scratch(bytes / 2);
        int cosine = tape.allocate(bytes);
        int result = tape.allocate(bytes);
        tape.free(rotated, cosine, tensor);
        return result;
    }

    /**
     * Attends to keys and values, which stay live; frees the queries.
     *
     * @param sequences the sequences of the batch
     * @param queryTokens the tokens of a sequence that attend
     * @param keyTokens the tokens of a sequence that are attended to
     * @param fused whether one kernel computes it, or else the scores are in memory
     */
    int attention(int queries, long sequences, long queryTokens, long keyTokens, boolean fused) {
        if (fused) {
            int sums = tape.allocate(sequences * heads * queryTokens * FLOAT);
            int result = tape.allocate(hiddenBytes(sequences * queryTokens));
            tape.free(sums, queries);
            return result;
        }
        long scoreBytes = sequences * heads * queryTokens * keyTokens * elementBytes;
        int scores = tape.allocate(scoreBytes);
        tape.free(queries);
        int masked = tape.allocate(scoreBytes);
        tape.free(scores);
        int weights = tape.allocate(scoreBytes);
        tape.free(masked);
        int result = tape.allocate(hiddenBytes(sequences * queryTokens));
        tape.free(weights);
        return transpose(result, hiddenBytes(sequences * queryTokens));
    }

    /** The output projection of attention, added to the residual. */
    int project(int attended, int residual, long tokens) {
        int projected = tape.allocate(hiddenBytes(tokens));
        tape.free(attended);
        return add(residual, projected, tokens);
    }

    /** The sum of a residual and a branch, which are freed. */
    int add(int residual, int branch, long tokens) {
        int sum = tape.allocate(hiddenBytes(tokens));
        tape.free(branch, residual);
        return sum;
    }

    /** Two matrices with an activation between them; frees the input. */
    int feedForward(int input, long tokens) {
        int up = tape.allocate(tokens * inner * elementBytes);
        tape.free(input);
        int active = activate(up, tokens);
        int down = tape.allocate(hiddenBytes(tokens));
        tape.free(active);
        return down;
    }

    /** Three matrices, of which one gates another; frees the input. */
    int gatedFeedForward(int input, long tokens) {
        int gate = activate(tape.allocate(tokens * inner * elementBytes), tokens);
        int up = tape.allocate(tokens * inner * elementBytes);
        tape.free(input);
        int product = tape.allocate(tokens * inner * elementBytes);
        tape.free(gate, up);
        int down = tape.allocate(hiddenBytes(tokens));
        tape.free(product);
        return down;
    }

    private int activate(int tensor, long tokens) {
        long bytes = tokens * inner * elementBytes;
        int scaled = tape.allocate(bytes);
        int result = tape.allocate(bytes);
        tape.free(scaled, tensor);
        return result;
    }
}
