package dev.mlxnative.examples.embed;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.PoolStats;
import dev.mlxnative.bench.cli.Progress;
import dev.mlxnative.examples.minilm.Embedding;
import dev.mlxnative.examples.minilm.EmbeddingBatch;
import dev.mlxnative.examples.minilm.MiniLm;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;

/** Embeds sentences in batches, and measures time and memory. */
final class EmbeddingRun {

    /** While the GPU computes one batch, the CPU prepares the next. */
    private static final int IN_FLIGHT = 2;

    private final MiniLm model;
    private final MlxBufferPool pool;
    private final long loadNanos;
    private final long weightBytes;
    private final List<Embedding> embeddings = new ArrayList<>();

    private int batches;
    private long nanos;
    private long gpuNanos;
    private long scratchBytes;
    private long parkedBytes;
    private PoolStats afterFirstBatch;
    private PoolStats afterLastBatch;

    EmbeddingRun(MiniLm model, MlxBufferPool pool, long loadNanos) {
        this.model = model;
        this.pool = pool;
        this.loadNanos = loadNanos;
        this.weightBytes = model.weightBytes();
        this.afterFirstBatch = pool.stats();
        this.afterLastBatch = afterFirstBatch;
    }

    void embed(List<String> sentences, int batchSize, Progress progress) throws InterruptedException {
        Queue<EmbeddingBatch> inFlight = new ArrayDeque<>();
        long start = System.nanoTime();
        try {
            for (int first = 0; first < sentences.size(); first += batchSize) {
                int end = Math.min(first + batchSize, sentences.size());
                inFlight.add(model.submit(sentences.subList(first, end)));
                submitted();
                if (inFlight.size() == IN_FLIGHT) {
                    complete(inFlight.remove(), progress);
                }
            }
            while (!inFlight.isEmpty()) {
                complete(inFlight.remove(), progress);
            }
        } finally {
            inFlight.forEach(EmbeddingBatch::close);
        }
        nanos = System.nanoTime() - start;
        afterLastBatch = pool.stats();
    }

    private void submitted() {
        PoolStats stats = pool.stats();
        parkedBytes = Math.max(parkedBytes, stats.parkedBytes());
        if (batches++ == 0) {
            afterFirstBatch = stats;
        }
    }

    private void complete(EmbeddingBatch batch, Progress progress) throws InterruptedException {
        try (batch) {
            List<Embedding> done = batch.await();
            embeddings.addAll(done);
            progress.requestsDone(done.size());
            gpuNanos += batch.gpuNanos();
            scratchBytes = Math.max(scratchBytes, batch.scratchBytes());
        }
    }

    List<Embedding> embeddings() {
        return embeddings;
    }

    Figures figures(String device, MiniLm.Precision precision) {
        return new Figures(
                device,
                precision,
                embeddings.size(),
                batches,
                embeddings.stream().mapToLong(Embedding::tokens).sum(),
                loadNanos,
                nanos,
                gpuNanos,
                weightBytes,
                afterFirstBatch,
                afterLastBatch,
                parkedBytes,
                scratchBytes);
    }
}
