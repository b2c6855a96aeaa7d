package dev.mlxnative.examples.minilm;

import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import java.io.IOException;
import java.io.InputStream;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * Splits texts into the tokens of the model: words, and pieces of words that it does not know. Thread-safe.
 *
 * <p>The tokenizer is a native library inside of its jar, which unpacks it to the cache folder of DJL.
 */
final class WordPieces implements AutoCloseable {
    private static final String FILE = "/all-minilm-l6-v2-tokenizer.json";
    /** A property of DJL: with {@code true} it asks no server for anything. */
    private static final String OFFLINE = "ai.djl.offline";

    private final HuggingFaceTokenizer tokenizer;

    private WordPieces(HuggingFaceTokenizer tokenizer) {
        this.tokenizer = tokenizer;
    }

    /** Reads the vocabulary on the class path. Sentences are cut after a number of tokens. */
    static WordPieces read(int maxTokens) throws IOException {
        if (System.getProperty(OFFLINE) == null) {
            System.setProperty(OFFLINE, "true");
        }
        String limit = Integer.toString(maxTokens);
        Map<String, String> options =
                Map.of("padding", "false", "truncation", "true", "maxLength", limit, "modelMaxLength", limit);
        try (InputStream file = WordPieces.class.getResourceAsStream(FILE)) {
            if (file == null) {
                throw new IOException("the class path has no file " + FILE);
            }
            return new WordPieces(HuggingFaceTokenizer.newInstance(file, options));
        }
    }

    /**
     * The tokens of a batch.
     *
     * @throws NullPointerException if a sentence is null
     * @throws IllegalStateException if the tokenizer is closed
     */
    Tokens split(List<String> sentences) {
        List<long[]> ids = new ArrayList<>();
        int[] starts = new int[sentences.size() + 1];
        for (int i = 0; i < sentences.size(); i++) {
            String text = sentences.get(i);
            if (text == null) {
                throw new NullPointerException("sentence " + i + " is null");
            }
            long[] sentence = tokenizer.encode(text).getIds();
            ids.add(sentence);
            starts[i + 1] = starts[i] + sentence.length;
        }
        int[] all = ids.stream()
                .flatMapToLong(Arrays::stream)
                .mapToInt(Math::toIntExact)
                .toArray();
        return new Tokens(List.copyOf(sentences), all, starts);
    }

    @Override
    public void close() {
        tokenizer.close();
    }
}
