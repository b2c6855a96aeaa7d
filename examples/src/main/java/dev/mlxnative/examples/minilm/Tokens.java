package dev.mlxnative.examples.minilm;

import java.util.Arrays;
import java.util.List;

/**
 * The tokens of a batch of sentences, one behind the other without padding.
 *
 * @param sentences their texts
 * @param ids the number of each token in the vocabulary
 * @param starts where each sentence starts, and at last the number of all tokens
 */
record Tokens(List<String> sentences, int[] ids, int[] starts) {

    /** The number of tokens of a sentence. */
    int count(int sentence) {
        return starts[sentence + 1] - starts[sentence];
    }

    /** The sentence of each token. */
    int[] sentenceOfEach() {
        int[] sentenceOf = new int[ids.length];
        for (int sentence = 0; sentence < sentences.size(); sentence++) {
            Arrays.fill(sentenceOf, starts[sentence], starts[sentence + 1], sentence);
        }
        return sentenceOf;
    }
}
