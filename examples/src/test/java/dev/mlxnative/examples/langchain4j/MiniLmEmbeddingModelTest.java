package dev.mlxnative.examples.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import dev.langchain4j.data.embedding.Embedding;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.model.embedding.EmbeddingModel;
import dev.langchain4j.store.embedding.EmbeddingSearchRequest;
import dev.langchain4j.store.embedding.inmemory.InMemoryEmbeddingStore;
import dev.mlxnative.AllocatedBytes;
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
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.TestInstance.Lifecycle;

/** Tests the model with LangChain4j's own store, as an application uses both. */
@NeedsKernelCompiler
@TestInstance(Lifecycle.PER_CLASS)
class MiniLmEmbeddingModelTest {

    private static final Map<String, String> ANSWERS = Map.of(
            "What is the capital of France?", "Paris lies on the Seine and is the seat of the French government.",
            "How long does light take from the Sun?", "Sunlight reaches the Earth after about eight minutes.",
            "Who painted the Mona Lisa?", "Leonardo da Vinci worked on the portrait for many years.",
            "How do I make bread rise?", "Yeast needs warmth and time before the dough goes into the oven.",
            "Why did my program run out of memory?", "The heap was full, since no buffer was ever released.");

    private final MlxDevice device = MlxDevice.open();
    private final long bytesBefore = device.allocatedBytes();
    private final MlxBufferPool pool = MlxBufferPool.create(device);
    private final MiniLm miniLm = MiniLm.load(device, pool, MiniLm.Precision.F32);
    private final EmbeddingModel model = new MiniLmEmbeddingModel(miniLm);

    @AfterAll
    void close() {
        miniLm.close();
        pool.close();
        // The batch of the interrupted thread may still be on its way.
        AllocatedBytes.assertBackTo(device, bytesBefore);
        device.close();
    }

    @Test
    void aQuestionFindsItsSentence() {
        InMemoryEmbeddingStore<TextSegment> store = new InMemoryEmbeddingStore<>();
        List<TextSegment> sentences =
                ANSWERS.values().stream().map(TextSegment::from).toList();
        store.addAll(model.embedAll(sentences).content(), sentences);

        ANSWERS.forEach((question, answer) ->
                assertThat(find(store, question)).as(question).isEqualTo(answer));
        assertThat(model.dimension()).isEqualTo(model.embed("text").content().dimension());
    }

    private String find(InMemoryEmbeddingStore<TextSegment> store, String question) {
        Embedding embedding = model.embed(question).content();
        EmbeddingSearchRequest request = EmbeddingSearchRequest.builder()
                .queryEmbedding(embedding)
                .maxResults(1)
                .build();
        return store.search(request).matches().getFirst().embedded().text();
    }

    /** More segments than a batch has, from two threads. */
    @Test
    void threadsShareOneModel() throws Exception {
        List<TextSegment> segments = IntStream.range(0, 40)
                .mapToObj(i -> TextSegment.from("Sentence number " + i + " of all."))
                .toList();
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
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
        }
    }

    @Test
    void countsTokens() {
        List<TextSegment> segments = List.of(TextSegment.from("A cat sits on the mat."), TextSegment.from("cat"));
        assertThat(model.embedAll(segments).tokenUsage().inputTokenCount()).isEqualTo(9 + 3);
        assertThat(model.embedAll(List.of()).content()).isEmpty();
    }

    @Test
    void anInterruptedThreadStaysInterrupted() {
        Thread.currentThread().interrupt();

        assertThatExceptionOfType(LangChain4jException.class)
                .isThrownBy(() -> model.embed("text"))
                .withMessage("interrupted while the GPU computed embeddings");

        assertThat(Thread.interrupted()).isTrue();
    }
}
