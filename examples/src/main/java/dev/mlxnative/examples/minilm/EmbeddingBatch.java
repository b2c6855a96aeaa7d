package dev.mlxnative.examples.minilm;

import dev.mlxnative.CommandBufferException;
import java.util.List;

/** A batch of sentences on its way through the GPU. Used by one thread at a time. */
public final class EmbeddingBatch implements AutoCloseable {
    EmbeddingBatch() {}

    /**
     * Waits for the GPU and reads the embeddings, in the order of the sentences. Ends the batch.
     *
     * @throws CommandBufferException if the GPU could not complete the batch
     * @throws InterruptedException if the thread is interrupted; the batch goes on
     * @throws IllegalStateException if the batch is closed
     */
    public List<Embedding> await() throws InterruptedException {
        throw new UnsupportedOperationException();
    }

    /** The nanoseconds that the GPU took; 0 until the batch is complete, and for a batch without sentences. */
    public long gpuNanos() {
        throw new UnsupportedOperationException();
    }

    /** The most bytes of scratch memory that commands of the batch have at once. */
    public long scratchBytes() {
        throw new UnsupportedOperationException();
    }

    /** Gives up the embeddings; the GPU completes the batch all the same. Closing it again does nothing. */
    @Override
    public void close() {
        throw new UnsupportedOperationException();
    }
}
