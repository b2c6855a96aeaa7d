/** The model all-MiniLM-L6-v2 for applications that use LangChain4j. */
@NullMarked
package dev.mlxnative.examples.langchain4j;

import org.jspecify.annotations.NullMarked;
