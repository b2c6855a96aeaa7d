package dev.mlxnative.examples.minilm;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import java.util.List;

/**
 * The model all-MiniLM-L6-v2 on the GPU: sentences to embeddings of 384 numbers, of length 1. The more alike two
 * sentences are, the larger is the dot product of their embeddings.
 *
 * <p>The application owns the device and the pool, and may share both with other models. The model has one queue, which
 * all threads share: the GPU runs one batch after the other anyway, and the next batch then gets the scratch memory of
 * the one before it. Thread-safe.
 */
public final class MiniLm implements AutoCloseable {
    /** The numbers of an embedding. */
    public static final int DIMENSIONS = 384;

    /**
     * The most tokens of a sentence that the model reads, with those of its begin and its end: it was trained on so
     * many.
     */
    public static final int MAX_TOKENS = 256;

    /** The type of weights and of values between kernels. Sums are {@code float} in both. */
    public enum Precision {
        /** {@code float}: as exact as other engines. */
        F32,
        /** {@code half}: half of the memory, and about three decimal digits. */
        F16
    }

    private MiniLm() {}

    /**
     * Reads weights and vocabulary from the class path, copies the weights to memory of the pool, and compiles the
     * kernels. Takes about a second.
     *
     * @param pool the memory of weights, inputs, outputs and scratch; open until the model is closed
     * @throws dev.mlxnative.MlxException if kernels cannot be compiled, or there is no memory
     */
    public static MiniLm load(MlxDevice device, MlxBufferPool pool, Precision precision) {
        throw new UnsupportedOperationException();
    }

    /**
     * The embeddings of a batch of sentences, in their order: {@link #submit} and {@link EmbeddingBatch#await}.
     *
     * @throws InterruptedException if the thread is interrupted
     */
    public List<Embedding> embed(List<String> sentences) throws InterruptedException {
        try (EmbeddingBatch batch = submit(sentences)) {
            return batch.await();
        }
    }

    /**
     * Begins a batch of sentences, and returns while the GPU computes. Sentences of more than {@link #MAX_TOKENS}
     * tokens are cut. Several batches may be in flight.
     *
     * @throws NullPointerException if a sentence is null
     * @throws IllegalStateException if the model is closed
     */
    public EmbeddingBatch submit(List<String> sentences) {
        throw new UnsupportedOperationException();
    }

    /** The bytes of the weights in memory of the pool. */
    public long weightBytes() {
        throw new UnsupportedOperationException();
    }

    /** Ends the leases of the weights; batches in flight complete. Closing it again does nothing. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
