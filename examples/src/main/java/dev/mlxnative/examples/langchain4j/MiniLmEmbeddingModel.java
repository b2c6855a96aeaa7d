package dev.mlxnative.examples.langchain4j;

import dev.langchain4j.data.embedding.Embedding;
import dev.langchain4j.data.segment.TextSegment;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.model.embedding.EmbeddingModel;
import dev.langchain4j.model.output.Response;
import dev.langchain4j.model.output.TokenUsage;
import dev.mlxnative.examples.minilm.MiniLm;
import java.util.ArrayList;
import java.util.List;

/**
 * LangChain4j's view of the model, which the application opens and closes together with its device and its pool. All
 * threads of an application share one object, and so one queue. Thread-safe.
 */
public final class MiniLmEmbeddingModel implements EmbeddingModel {

    /** Segments that the GPU gets at once: what bounds the scratch memory of a long list. */
    private static final int BATCH = 32;

    private final MiniLm model;

    public MiniLmEmbeddingModel(MiniLm model) {
        this.model = model;
    }

    /**
     * The embeddings of segments, in their order.
     *
     * @throws LangChain4jException if the thread is interrupted; it stays interrupted
     */
    @Override
    public Response<List<Embedding>> embedAll(List<TextSegment> segments) {
        List<Embedding> embeddings = new ArrayList<>(segments.size());
        int tokens = 0;
        for (int start = 0; start < segments.size(); start += BATCH) {
            for (var embedding : embed(segments.subList(start, Math.min(start + BATCH, segments.size())))) {
                embeddings.add(Embedding.from(embedding.values()));
                tokens += embedding.tokens();
            }
        }
        return Response.from(embeddings, new TokenUsage(tokens));
    }

    private List<dev.mlxnative.examples.minilm.Embedding> embed(List<TextSegment> segments) {
        try {
            return model.embed(segments.stream().map(TextSegment::text).toList());
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new LangChain4jException("interrupted while the GPU computed embeddings", e);
        }
    }

    @Override
    public int dimension() {
        return MiniLm.DIMENSIONS;
    }

    @Override
    public String modelName() {
        return "all-MiniLM-L6-v2";
    }
}
