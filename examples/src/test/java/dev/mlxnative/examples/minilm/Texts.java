package dev.mlxnative.examples.minilm;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;

/**
 * Texts of all kinds, the same in each run: empty, of some words, in other scripts, and longer than the model reads.
 */
final class Texts {
    private static final List<String> SPECIAL = List.of(
            "",
            " ",
            "\t\n",
            "?",
            "...",
            "[CLS] [SEP] [MASK]",
            "A cat sits on the mat.",
            "There is a feline on the rug.",
            "Rates rose again.",
            "Don't stop-it! $5.00, 50%",
            "e\u0301 is \u00e9, \ufb01 is fi",
            "Stra\u00dfe \u0130stanbul \u01c4",
            "\u00bfD\u00f3nde est\u00e1 la biblioteca?",
            "\u039a\u03b1\u03bb\u03b7\u03bc\u03ad\u03c1\u03b1 \u03ba\u03cc\u03c3\u03bc\u03b5",
            "\u041f\u0440\u0438\u0432\u0435\u0442, \u043c\u0438\u0440",
            "\u65e5\u672c\u8a9e\u306e\u30c6\u30ad\u30b9\u30c8",
            "\ud55c\uad6d\uc5b4",
            "\u0627\u0644\u0639\u0631\u0628\u064a\u0629",
            "\u05e9\u05dc\u05d5\u05dd",
            "\u0939\u093f\u0928\u094d\u0926\u0940",
            "\ud83d\ude00 \ud83d\udc68\u200d\ud83d\udc69\u200d\ud83d\udc67",
            "\ud835\udd73\ud835\udd8a\ud835\udd91\ud835\udd91\ud835\udd94",
            "\u00a0wide\u3000space\u200b",
            "\u0007bell \u0000 nul \u00ad soft",
            "x".repeat(100),
            "x".repeat(101));
    private static final String[] WORDS = ("the a cat bank river money rose fell sleeps market tensor garbage collector"
                    + " quantum sings runs Paris 1984 3.14 antidisestablishmentarianism zyx blue not never because"
                    + " and, or; but (why?) protein cell galaxy soup bread king Java Metal kernel memory leak")
            .split(" ");
    private static final int SENTENCES = 180;

    private Texts() {}

    /** More than 200 texts, in an order that mixes them. */
    static List<String> all() {
        Random random = new Random(20);
        List<String> texts = new ArrayList<>(SPECIAL);
        for (int i = 0; i < SENTENCES; i++) {
            texts.add(sentence(random, 1 + random.nextInt(6)));
        }
        texts.add(sentence(random, 100));
        texts.add(sentence(random, 2 * MiniLm.MAX_TOKENS));
        Collections.shuffle(texts, random);
        return texts;
    }

    private static String sentence(Random random, int words) {
        StringBuilder sentence = new StringBuilder();
        for (int i = 0; i < words; i++) {
            sentence.append(i == 0 ? "" : " ").append(WORDS[random.nextInt(WORDS.length)]);
        }
        return sentence.toString();
    }
}
