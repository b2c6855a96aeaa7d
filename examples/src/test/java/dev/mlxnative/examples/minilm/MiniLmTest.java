package dev.mlxnative.examples.minilm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatNullPointerException;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxCommandBuffer;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.MlxFence;
import dev.mlxnative.MlxSharedEvent;
import dev.mlxnative.NeedsKernelCompiler;
import dev.mlxnative.PoolStats;
import dev.mlxnative.Sizing;
import dev.mlxnative.examples.minilm.MiniLm.Precision;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** What the model promises, and what its memory does, with few sentences. */
@Tag("contract")
@Timeout(value = 300, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
@NeedsKernelCompiler
class MiniLmTest {
    private static final String CAT = "A cat sits on the mat.";
    private static final String FELINE = "There is a feline on the rug.";
    private static final String RATES = "Rates rose again.";

    private static MlxDevice device;
    private static MlxBufferPool pool;
    private static MiniLm model;

    @BeforeAll
    static void load() {
        device = MlxDevice.open();
        pool = MlxBufferPool.builder(device).sizing(Sizing.COMPACT).build();
        model = MiniLm.load(device, pool, Precision.F32);
    }

    /** Whatever the tests did, the model ends every lease, and the pool gives back all memory. */
    @AfterAll
    static void nothingIsLeft() throws Exception {
        model.queue().await();
        model.close();
        model.close();
        PoolStats stats = pool.stats();
        assertThat(stats.activeCount()).isZero();
        assertThat(stats.parkedCount()).isZero();
        assertThat(pool.leakedCount()).isZero();
        pool.close();
        assertThat(device.allocatedBytes()).isZero();
        device.close();
    }

    @Test
    void sentencesOfLikeMeaningAreAlike() throws Exception {
        List<Embedding> embeddings = model.embed(List.of(CAT, FELINE, RATES));
        assertThat(embeddings).extracting(Embedding::text).containsExactly(CAT, FELINE, RATES);
        assertThat(similarity(embeddings, 0, 1)).isGreaterThan(0.4);
        assertThat(similarity(embeddings, 0, 2)).isLessThan(0.1);
        assertThat(similarity(embeddings, 1, 2)).isLessThan(0.1);
    }

    @Test
    void tokensAreCountedWithThoseOfBeginAndEnd() throws Exception {
        List<Embedding> embeddings = model.embed(List.of("", RATES, "word ".repeat(MiniLm.MAX_TOKENS)));
        assertThat(embeddings).extracting(Embedding::tokens).containsExactly(2, 6, MiniLm.MAX_TOKENS);
    }

    @Test
    void tokensAreThoseOfTheVocabulary() throws Exception {
        try (WordPieces wordPieces = WordPieces.read(MiniLm.MAX_TOKENS)) {
            assertThat(wordPieces.split(List.of("A cat sits", "")))
                    .usingRecursiveComparison()
                    .isEqualTo(new Tokens(
                            List.of("A cat sits", ""),
                            new int[] {101, 1037, 4937, 7719, 102, 101, 102},
                            new int[] {0, 5, 7}));
        }
    }

    @Test
    void theOthersOfABatchMakeNoDifference() throws Exception {
        float[] alone = model.embed(List.of(CAT)).getFirst().values();
        float[] together = model.embed(List.of(RATES, "", CAT, FELINE)).get(2).values();
        assertThat(together).isEqualTo(alone);
    }

    @Test
    void aBatchWithoutSentencesHasNoEmbeddings() throws Exception {
        try (EmbeddingBatch batch = model.submit(List.of())) {
            assertThat(batch.await()).isEmpty();
            assertThat(batch.scratchBytes()).isZero();
        }
    }

    @Test
    void nullIsRefused() {
        long requests = pool.stats().requests();
        assertThatNullPointerException()
                .isThrownBy(() -> model.embed(Arrays.asList(CAT, null)))
                .withMessage("sentence 1 is null");
        assertThat(pool.stats().requests()).isEqualTo(requests);
    }

    @Test
    void aClosedBatchThrows() {
        EmbeddingBatch batch = model.submit(List.of(CAT));
        batch.close();
        batch.close();
        assertThatExceptionOfType(IllegalStateException.class).isThrownBy(batch::await);
    }

    @Test
    void threadsShareTheModel() throws Exception {
        float[] expected = model.embed(List.of(CAT)).getFirst().values();
        try (ExecutorService threads = Executors.newFixedThreadPool(3)) {
            List<Future<List<Embedding>>> results = new ArrayList<>();
            for (int i = 0; i < 9; i++) {
                List<String> batch = List.of(CAT, "x ".repeat(i));
                results.add(threads.submit(() -> model.embed(batch)));
            }
            for (Future<List<Embedding>> result : results) {
                assertThat(result.get().getFirst().values()).isEqualTo(expected);
            }
        }
    }

    /** Batches of other sizes find memory of the batches before them. */
    @Test
    void fromTheSecondBatchOnMemoryIsReused() throws Exception {
        try (MlxBufferPool own =
                MlxBufferPool.builder(device).sizing(Sizing.COMPACT).build()) {
            MiniLm closed;
            try (MiniLm fresh = MiniLm.load(device, own, Precision.F32)) {
                fresh.embed(List.of(CAT, FELINE, RATES, "word ".repeat(20)));
                PoolStats first = own.stats();
                for (int i = 0; i < 12; i++) {
                    fresh.embed(List.of(CAT, "word ".repeat(i), RATES).subList(0, 1 + i % 3));
                }
                PoolStats last = own.stats();
                long requests = last.requests() - first.requests();
                assertThat(requests).isGreaterThan(400);
                assertThat((last.hits() - first.hits()) / (double) requests).isGreaterThanOrEqualTo(0.995);
                assertThat(last.peakFootprintBytes() / (double) last.peakActiveBytes())
                        .isLessThanOrEqualTo(1.15);
                closed = fresh;
            }
            assertThatExceptionOfType(IllegalStateException.class).isThrownBy(() -> closed.embed(List.of(CAT)));
            assertThat(own.stats().activeCount()).isZero();
        }
    }

    /**
     * A command buffer that waits for the CPU keeps the batches behind it in flight. What the pool holds beside the
     * weights is compared. The pool is no compact one, whose chunks would be larger than all of that.
     */
    @Test
    void threeBatchesInFlightHoldTheMemoryOfOne() throws Exception {
        List<String> sentences = List.of(CAT, "word ".repeat(90));
        try (MlxBufferPool own = MlxBufferPool.create(device);
                MiniLm fresh = MiniLm.load(device, own, Precision.F16);
                MlxSharedEvent event = device.newSharedEvent()) {
            long weights = own.stats().footprintBytes();
            MlxCommandBuffer hold = fresh.queue().newCommandBuffer("hold");
            hold.waitFor(event, 1);
            MlxFence held = hold.commit();
            List<EmbeddingBatch> batches = new ArrayList<>();
            long one;
            long three;
            try {
                batches.add(fresh.submit(sentences));
                one = own.stats().footprintBytes() - weights;
                batches.add(fresh.submit(sentences));
                batches.add(fresh.submit(sentences));
                three = own.stats().footprintBytes() - weights;
                assertThat(held.isComplete()).isFalse();
            } finally {
                event.signal(1);
            }
            for (EmbeddingBatch batch : batches) {
                assertThat(batch.await()).hasSize(2);
                batch.close();
            }
            assertThat(fresh.weightBytes()).isEqualTo(model.weightBytes() / 2);
            assertThat(one).isGreaterThanOrEqualTo(batches.getFirst().scratchBytes());
            assertThat(three / (double) one).isLessThanOrEqualTo(1.05);
        }
    }

    private static double similarity(List<Embedding> embeddings, int left, int right) {
        float[] a = embeddings.get(left).values();
        float[] b = embeddings.get(right).values();
        double sum = 0;
        for (int i = 0; i < a.length; i++) {
            sum += (double) a[i] * b[i];
        }
        return sum;
    }
}
