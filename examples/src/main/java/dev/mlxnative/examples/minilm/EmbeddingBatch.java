package dev.mlxnative.examples.minilm;

import dev.mlxnative.CommandBufferException;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxCommandBuffer;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;

/** A batch of sentences on its way through the GPU. Used by one thread at a time. */
public final class EmbeddingBatch implements AutoCloseable {
    private final Tokens tokens;
    private final MlxCommandBuffer commands;
    private final MlxBuffer embeddings;
    private final long scratchBytes;

    /** Takes over commands that are committed, and the lease that they write to. */
    EmbeddingBatch(Tokens tokens, MlxCommandBuffer commands, MlxBuffer embeddings, long scratchBytes) {
        this.tokens = tokens;
        this.commands = commands;
        this.embeddings = embeddings;
        this.scratchBytes = scratchBytes;
    }

    /**
     * Waits for the GPU and copies the embeddings, in the order of the sentences. May be called again.
     *
     * @throws CommandBufferException if the GPU could not complete the batch
     * @throws InterruptedException if the thread is interrupted; the batch goes on
     * @throws IllegalStateException if the batch is closed
     */
    public List<Embedding> await() throws InterruptedException {
        commands.await();
        MemorySegment memory = embeddings.segment();
        List<Embedding> results = new ArrayList<>();
        for (int i = 0; i < tokens.sentences().size(); i++) {
            float[] values = new float[MiniLm.DIMENSIONS];
            MemorySegment.copy(
                    memory,
                    ValueLayout.JAVA_FLOAT,
                    (long) i * MiniLm.DIMENSIONS * Float.BYTES,
                    values,
                    0,
                    values.length);
            results.add(new Embedding(tokens.sentences().get(i), tokens.count(i), values));
        }
        return results;
    }

    /** The nanoseconds that the GPU took; 0 until the batch is complete. */
    public long gpuNanos() {
        return commands.gpuNanos();
    }

    /** The most bytes of scratch memory that the commands of the batch have at once. */
    public long scratchBytes() {
        return scratchBytes;
    }

    /** Ends the lease of the embeddings, before or after the GPU has written them. Closing it again does nothing. */
    @Override
    public void close() {
        embeddings.close();
    }
}
