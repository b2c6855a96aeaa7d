package dev.mlxnative.examples.minilm;

import static org.assertj.core.api.Assertions.assertThat;

import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.NeedsKernelCompiler;
import dev.mlxnative.Sizing;
import dev.mlxnative.examples.minilm.MiniLm.Precision;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.function.BiConsumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Compares the embeddings of all {@link Texts} with those of ONNX Runtime. */
@Tag("contract")
@NeedsKernelCompiler
class MiniLmReferenceTest {
    private static final int MAX_BATCH = 24;

    private static final List<String> TEXTS = Texts.all();
    private static final List<float[]> EXPECTED = new ArrayList<>();
    private static MlxDevice device;

    @BeforeAll
    static void open() throws Exception {
        device = MlxDevice.open();
        try (WordPieces wordPieces = WordPieces.read(MiniLm.MAX_TOKENS);
                OnnxReference reference = new OnnxReference()) {
            for (String text : TEXTS) {
                EXPECTED.add(reference.embed(wordPieces.split(List.of(text)).ids()));
            }
        }
    }

    @AfterAll
    static void close() {
        EXPECTED.clear();
        device.close();
    }

    @Test
    void theTextsAreOfAllLengths() throws Exception {
        assertThat(TEXTS).hasSizeGreaterThanOrEqualTo(200).contains("");
        try (WordPieces all = WordPieces.read(4 * MiniLm.MAX_TOKENS)) {
            assertThat(TEXTS).anyMatch(text -> all.split(List.of(text)).ids().length > MiniLm.MAX_TOKENS);
        }
    }

    @Test
    void inFloatEachNumberIsThatOfOnnxRuntime() throws Exception {
        compare(Precision.F32, (actual, expected) -> {
            for (int i = 0; i < MiniLm.DIMENSIONS; i++) {
                assertThat(Math.abs(actual[i] - expected[i])).isLessThanOrEqualTo(1e-4f);
            }
        });
    }

    @Test
    void inHalfTheDirectionIsThatOfOnnxRuntime() throws Exception {
        compare(
                Precision.F16,
                (actual, expected) -> assertThat(dot(actual, expected)).isGreaterThanOrEqualTo(0.9999));
    }

    /** Embeds all texts in batches of random sizes. */
    private static void compare(Precision precision, BiConsumer<float[], float[]> assertAlike) throws Exception {
        Random random = new Random(5);
        try (MlxBufferPool pool =
                        MlxBufferPool.builder(device).sizing(Sizing.COMPACT).build();
                MiniLm model = MiniLm.load(device, pool, precision)) {
            int next = 0;
            while (next < TEXTS.size()) {
                List<String> batch = TEXTS.subList(next, Math.min(TEXTS.size(), next + 1 + random.nextInt(MAX_BATCH)));
                for (Embedding embedding : model.embed(batch)) {
                    assertThat(embedding.text()).isEqualTo(TEXTS.get(next));
                    assertThat(dot(embedding.values(), embedding.values())).isBetween(0.99999, 1.00001);
                    assertAlike.accept(embedding.values(), EXPECTED.get(next));
                    next++;
                }
            }
        }
    }

    private static double dot(float[] left, float[] right) {
        double sum = 0;
        for (int i = 0; i < left.length; i++) {
            sum += (double) left[i] * right[i];
        }
        return sum;
    }
}
