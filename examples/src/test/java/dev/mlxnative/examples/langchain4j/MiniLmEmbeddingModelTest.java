package dev.mlxnative.examples.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.langchain4j.data.embedding.Embedding;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.model.embedding.EmbeddingModel;
import dev.langchain4j.store.embedding.EmbeddingSearchRequest;
import dev.langchain4j.store.embedding.inmemory.InMemoryEmbeddingStore;
import dev.mlxnative.MlxBufferPool;
import dev.mlxnative.MlxDevice;
import dev.mlxnative.NeedsKernelCompiler;
import dev.mlxnative.examples.minilm.MiniLm;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** Tests the model with LangChain4j's own store, as an application uses both. */
@NeedsKernelCompiler
class MiniLmEmbeddingModelTest {

    private static final Map<String, String> ANSWERS = Map.of(
            "What is the capital of France?", "Paris lies on the Seine and is the seat of the French government.",
            "How long does light take from the Sun?", "Sunlight reaches the Earth after about eight minutes.",
            "Who painted the Mona Lisa?", "Leonardo da Vinci worked on the portrait for many years.",
            "How do I make bread rise?", "Yeast needs warmth and time before the dough goes into the oven.",
            "Why did my program run out of memory?", "The heap was full, since no buffer was ever released.");

    @Test
    void aQuestionFindsItsSentence() {
        InMemoryEmbeddingStore<TextSegment> store = new InMemoryEmbeddingStore<>();
        try (MlxDevice device = MlxDevice.open();
                MlxBufferPool pool = MlxBufferPool.create(device);
                MiniLm miniLm = MiniLm.load(device, pool, MiniLm.Precision.F32)) {
            EmbeddingModel model = new MiniLmEmbeddingModel(miniLm);
            List<TextSegment> sentences =
                    ANSWERS.values().stream().map(TextSegment::from).toList();
            store.addAll(model.embedAll(sentences).content(), sentences);

            ANSWERS.forEach((question, answer) ->
                    assertThat(find(store, model, question)).as(question).isEqualTo(answer));
            assertThat(model.dimension())
                    .isEqualTo(model.embed("text").content().dimension());
        }
    }

    private static String find(InMemoryEmbeddingStore<TextSegment> store, EmbeddingModel model, String question) {
        Embedding embedding = model.embed(question).content();
        EmbeddingSearchRequest request = EmbeddingSearchRequest.builder()
                .queryEmbedding(embedding)
                .maxResults(1)
                .build();
        return store.search(request).matches().getFirst().embedded().text();
    }

    /** More segments than a batch has, from several threads, and all memory is returned. */
    @Test
    void threadsShareOneModelAndItsMemory() throws Exception {
        List<TextSegment> segments = IntStream.range(0, 40)
                .mapToObj(i -> TextSegment.from("Sentence number " + i + " of all."))
                .toList();
        try (MlxDevice device = MlxDevice.open()) {
            long bytesBefore = device.allocatedBytes();
            try (MlxBufferPool pool = MlxBufferPool.create(device);
                    MiniLm miniLm = MiniLm.load(device, pool, MiniLm.Precision.F32);
                    ExecutorService threads = Executors.newFixedThreadPool(2)) {
                EmbeddingModel model = new MiniLmEmbeddingModel(miniLm);
                Future<List<Embedding>> first =
                        threads.submit(() -> model.embedAll(segments).content());
                Future<List<Embedding>> second =
                        threads.submit(() -> model.embedAll(segments.reversed()).content());

                assertThat(first.get()).hasSize(40).doesNotHaveDuplicates();
                assertThat(second.get()).hasSize(40);
                for (int i = 0; i < 40; i++) {
                    assertThat(second.get().get(39 - i).vector())
                            .usingComparatorWithPrecision(1e-5f)
                            .containsExactly(first.get().get(i).vector());
                }
                assertThat(model.embedAll(segments).tokenUsage().inputTokenCount())
                        .isEqualTo(40 * 8);
            }
            assertThat(device.allocatedBytes()).isEqualTo(bytesBefore);
        }
    }

    @Test
    void anInterruptedThreadStaysInterrupted() {
        try (MlxDevice device = MlxDevice.open();
                MlxBufferPool pool = MlxBufferPool.create(device);
                MiniLm miniLm = MiniLm.load(device, pool, MiniLm.Precision.F32)) {
            EmbeddingModel model = new MiniLmEmbeddingModel(miniLm);
            Thread.currentThread().interrupt();

            assertThatExceptionOfType(LangChain4jException.class)
                    .isThrownBy(() -> model.embed("text"))
                    .withMessage("interrupted while the GPU computed embeddings");

            assertThat(Thread.interrupted()).isTrue();
        }
    }
}
