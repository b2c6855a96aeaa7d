package dev.mlxnative.examples.minilm;

import dev.mlxnative.CommandBufferException;
import dev.mlxnative.DType;
import dev.mlxnative.MlxBuffer;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxCommandQueue;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.function.Consumer;

/**
 * The model all-MiniLM-L6-v2 on the GPU: sentences to embeddings of 384 numbers, of length 1. The more alike two
 * sentences are, the larger is the dot product of their embeddings.
 *
 * <p>The application owns the device and the pool, and may share both with other models. The model has one queue, which
 * all threads share: the GPU runs one batch after the other anyway, and the next batch then gets the scratch memory of
 * the one before it. Thread-safe, except that no thread may begin a batch while another one closes the model.
 */
public final class MiniLm implements AutoCloseable {
    /** The numbers of an embedding. */
    public static final int DIMENSIONS = 384;

    /**
     * The most tokens of a sentence that the model reads, with those of its begin and its end: it was trained on so
     * many.
     */
    public static final int MAX_TOKENS = 256;

    /** The type of the weights and of the values between kernels. Sums are {@code float} in both. */
    public enum Precision {
        /** {@code float}: as exact as other engines. */
        F32(DType.F32, "float"),
        /** {@code half}: half of the memory, and about three decimal digits. */
        F16(DType.F16, "half");

        private final DType type;
        private final String metalName;

        Precision(DType type, String metalName) {
            this.type = type;
            this.metalName = metalName;
        }

        DType type() {
            return type;
        }

        String metalName() {
            return metalName;
        }
    }

    /** What {@link #close} closes. */
    private final Deque<Runnable> parts = new ArrayDeque<>();

    private final MlxBufferPool pool;
    private final DType type;
    private final Weights weights;
    private final Kernels kernels;
    private final WordPieces wordPieces;
    private final MlxCommandQueue queue;

    private MiniLm(MlxDevice device, MlxBufferPool pool, Precision precision) throws IOException {
        this.pool = pool;
        this.type = precision.type;
        try {
            this.kernels = closeAtEnd(Kernels.compile(device, precision), Kernels::close);
            this.wordPieces = closeAtEnd(WordPieces.read(MAX_TOKENS), WordPieces::close);
            this.weights = closeAtEnd(Weights.read(pool, precision.type), Weights::close);
            this.queue = closeAtEnd(device.newCommandQueue(pool), MlxCommandQueue::close);
        } catch (Throwable e) {
            close();
            throw e;
        }
    }

    private <T> T closeAtEnd(T part, Consumer<T> close) {
        parts.addFirst(() -> close.accept(part));
        return part;
    }

    /**
     * Reads weights and vocabulary from the class path, copies the weights to memory of the pool, and compiles the
     * kernels, which takes seconds on a CPU, unless {@code mlx.kernelCache} keeps them.
     *
     * @param pool the memory of weights, inputs, outputs and scratch; open until the model is closed
     * @throws MlxException if the kernels cannot be compiled or run, or there is no memory
     */
    public static MiniLm load(MlxDevice device, MlxBufferPool pool, Precision precision) {
        try {
            return new MiniLm(device, pool, precision);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /**
     * The embeddings of a batch of sentences, in their order: {@link #submit} and {@link EmbeddingBatch#await}.
     *
     * @throws InterruptedException if the thread is interrupted
     * @throws CommandBufferException if the GPU could not complete the batch
     * @throws MlxException if there is no memory
     * @throws NullPointerException if a sentence is null
     * @throws IllegalStateException if the model is closed, or 1,024 batches are in flight
     */
    public List<Embedding> embed(List<String> sentences) throws InterruptedException {
        try (EmbeddingBatch batch = submit(sentences)) {
            return batch.await();
        }
    }

    /**
     * Begins a batch of sentences, and returns while the GPU computes. Sentences of more than {@link #MAX_TOKENS}
     * tokens are cut. Several batches may be in flight; they share their scratch memory.
     *
     * @throws MlxException if there is no memory
     * @throws NullPointerException if a sentence is null
     * @throws IllegalStateException if the model is closed, or 1,024 batches are in flight
     */
    public EmbeddingBatch submit(List<String> sentences) {
        return submit(wordPieces.split(sentences));
    }

    /**
     * Begins a batch that is split into tokens. The leases of the inputs end here; the GPU's use parks their memory.
     */
    EmbeddingBatch submit(Tokens tokens) {
        int rows = tokens.ids().length;
        MlxBuffer embeddings = pool.alloc(DType.F32, tokens.sentences().size(), DIMENSIONS);
        try (MlxBuffer ids = lease(tokens.ids());
                MlxBuffer sentences = lease(tokens.sentenceOfEach());
                MlxBuffer starts = lease(tokens.starts());
                MlxCommandBuffer commands = queue.newCommandBuffer("embed")) {
            ForwardPass pass = new ForwardPass(commands, kernels, type, rows, sentences, starts);
            if (rows > 0) {
                pass.encode(weights, ids, embeddings);
            }
            commands.commit();
            return new EmbeddingBatch(tokens, commands, embeddings, pass.peakScratchBytes());
        } catch (Throwable e) {
            embeddings.close();
            throw e;
        }
    }

    private MlxBuffer lease(int[] numbers) {
        MlxBuffer lease = pool.alloc(DType.I32, numbers.length);
        MemorySegment.copy(numbers, 0, lease.segment(), ValueLayout.JAVA_INT, 0, numbers.length);
        return lease;
    }

    /** The queue that all threads share. */
    MlxCommandQueue queue() {
        return queue;
    }

    /** The bytes of the weights in memory of the pool. */
    public long weightBytes() {
        return weights.bytes();
    }

    /** Ends the leases of the weights; batches in flight complete. Closing it again does nothing. */
    @Override
    public void close() {
        parts.forEach(Runnable::run);
    }
}
