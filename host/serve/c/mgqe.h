/* mgqe.h: a packed embedding model, served: look-ups, scores and exact top-k straight from its codes.
 *
 *   mgqe_model* model;
 *   if (mgqe_open("model.safetensors", NULL, &model) != MGQE_OK) puts(mgqe_last_error());
 *   int32_t user = 7, rows[10]; float scores[10]; int64_t count;
 *   mgqe_questions who = MGQE_QUESTIONS_INIT; who.count = 1; who.users = &user;
 *   mgqe_top_k_options options = MGQE_TOP_K_OPTIONS_INIT; options.k = 10;
 *   mgqe_result best = {rows, scores, &count};
 *   mgqe_recommend(model, &who, &options, &best);
 *   mgqe_close(model);
 *
 * Rules. Every function returns a mgqe_status unless it says otherwise; what went wrong is one line in
 * mgqe_last_error(), of the calling thread. Buffers are the caller's; results are written only where
 * MGQE_OK is returned. A model may be used from many threads at once by every function that takes it
 * as const. No thread is kept: each call runs on its caller's and `threads` - 1 of its own.
 *
 * Rows are numbers of table rows, 0 the most popular id of the training data, and 32-bit where they are
 * many (a table has fewer than 2^31). Original ids are rows by mgqe_rows_of and back by mgqe_ids_of.
 *
 * The ABI only grows: structs begin with their size, which the _INIT macros set, and gain members at
 * their end. */
#ifndef MGQE_H
#define MGQE_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MGQE_ABI_VERSION 1
#define MGQE_API __attribute__((visibility("default")))

typedef struct mgqe_model mgqe_model;

typedef enum mgqe_status {
  MGQE_OK = 0,
  MGQE_INVALID_ARGUMENT = 1, /* what was asked for cannot be: k of 0, a row that is none */
  MGQE_BAD_FILE = 2,         /* no artifact, a damaged one, or a newer version */
  MGQE_NOT_FOUND = 3,        /* an id, a table or an array that the model does not have */
  MGQE_OUT_OF_MEMORY = 4,
  MGQE_INTERNAL = 5 /* a defect of this library */
} mgqe_status;

/* MGQE_ABI_VERSION of the library; a program refuses one that is lower than its own. */
MGQE_API int32_t mgqe_abi_version(void);
/* "0.1 (commit)" */
MGQE_API const char* mgqe_version(void);
/* Of the last call of this thread that failed; valid until the thread's next one. */
MGQE_API const char* mgqe_last_error(void);

/* ---- models ------------------------------------------------------------------------------------ */

typedef struct mgqe_open_options {
  size_t size;
  int32_t read;    /* 1: the file is read into memory; 0: mapped, its pages shared between processes */
  int32_t verify;  /* 1: as mgqe_verify, before it is used */
  int32_t prepare; /* 1: as mgqe_prepare */
  int32_t threads; /* of verify and prepare */
} mgqe_open_options;
#define MGQE_OPEN_OPTIONS_INIT \
  { sizeof(mgqe_open_options), 0, 0, 0, 1 }

/* Opens the model.safetensors of a training run or of `mgqe convert`; its arrays are not read. options
 * may be NULL. A file that is replaced by rename meanwhile is served as it was opened. */
MGQE_API mgqe_status mgqe_open(const char* path, const mgqe_open_options* options,
                               mgqe_model** model);
/* NULL is allowed. No call on the model may be under way. */
MGQE_API void mgqe_close(mgqe_model* model);
/* Reads everything: checksum, codes, finite weights, ids. MGQE_BAD_FILE at the first that is wrong. */
MGQE_API mgqe_status mgqe_verify(const mgqe_model* model);
/* Unpacks the codes of the items' table once into the layout that is scanned fastest: lower latency for
 * about the memory of the codes. Not while another call on the model is under way. */
MGQE_API mgqe_status mgqe_prepare(mgqe_model* model, int32_t threads);

/* Of: "backbone", "task", "config" (JSON), "commit", "device", "seed", "data_fingerprint", "version".
 * NULL for another key; valid as long as the model. */
MGQE_API const char* mgqe_metadata(const mgqe_model* model, const char* key);
/* The most items of a history that the model reads, the latest; 0: it knows its users by row. */
MGQE_API int64_t mgqe_max_length(const mgqe_model* model);

/* ---- tables and arrays ------------------------------------------------------------------------- */

typedef struct mgqe_table_info {
  size_t size;
  const char* name;      /* "item", "gmf.user"; strings are valid as long as the model */
  const char* entity;    /* "item", "user" */
  const char* scheme;    /* "mgqe", "full", ... */
  int64_t rows, dim;
  int64_t payload_bytes; /* of all its arrays */
  int32_t tiers;         /* 0: the scheme has no codes */
  int32_t stages;        /* of codes; 1 but for the scheme "prq" */
  int32_t rotated;       /* 1: rows are rotated where codes are, by the array "rotation" */
} mgqe_table_info;
#define MGQE_TABLE_INFO_INIT \
  { sizeof(mgqe_table_info), NULL, NULL, NULL, 0, 0, 0, 0, 0, 0 }

MGQE_API int64_t mgqe_table_count(const mgqe_model* model);
/* Tables are numbered in the order of their names. */
MGQE_API mgqe_status mgqe_table_at(const mgqe_model* model, int64_t number, mgqe_table_info* info);
MGQE_API mgqe_status mgqe_table(const mgqe_model* model, const char* name, mgqe_table_info* info);

/* Of up to 8 tiers: the first row after each, its K_i and D_i (of each stage). Arrays of info.tiers
 * elements. */
MGQE_API mgqe_status mgqe_tiers(const mgqe_model* model, const char* table, int64_t* ends,
                                int32_t* centroids, int32_t* subspaces);

typedef enum mgqe_dtype {
  MGQE_F32 = 0,
  MGQE_F16 = 1,
  MGQE_BF16 = 2,
  MGQE_U8 = 3,
  MGQE_I32 = 4,
  MGQE_I64 = 5,
  MGQE_I8 = 6
} mgqe_dtype;

typedef struct mgqe_array_info {
  size_t size;
  const void* data; /* in the file, read-only, valid as long as the model; codes packed as in it */
  int32_t dtype;    /* mgqe_dtype */
  int32_t rank;     /* of shape: 1 or 2 */
  int64_t shape[2];
} mgqe_array_info;
#define MGQE_ARRAY_INFO_INIT \
  { sizeof(mgqe_array_info), NULL, 0, 0, {0, 0} }

/* An array by its name in the file: "item.codebook", "item.codes.0", "gmf.weights". */
MGQE_API mgqe_status mgqe_array(const mgqe_model* model, const char* name, mgqe_array_info* info);

/* ---- ids --------------------------------------------------------------------------------------- */

/* 1: ids of the entity are integers; 0: texts; -1: no such entity. */
MGQE_API int32_t mgqe_integer_ids(const mgqe_model* model, const char* entity);
/* rows[i] of ids[i], -1 where it is unknown. */
MGQE_API mgqe_status mgqe_rows_of(const mgqe_model* model, const char* entity, const int64_t* ids,
                                  int64_t count, int32_t* rows);
/* Of one text of `length` bytes; an integer id by its digits. -1 where it is unknown. */
MGQE_API mgqe_status mgqe_row_of_text(const mgqe_model* model, const char* entity, const char* id,
                                      size_t length, int32_t* row);
MGQE_API mgqe_status mgqe_ids_of(const mgqe_model* model, const char* entity, const int32_t* rows,
                                 int64_t count, int64_t* ids);
/* The id of a row as text, without an end mark; *length is its bytes, of which `capacity` are
 * written at most. */
MGQE_API mgqe_status mgqe_text_of(const mgqe_model* model, const char* entity, int64_t row, char* out,
                                  size_t capacity, size_t* length);

/* ---- look-ups ---------------------------------------------------------------------------------- */

/* out[i * stride + c] = column c of row rows[i], stride elements >= dim, of type MGQE_F32, MGQE_F16 or
 * MGQE_BF16 (rounded to nearest even). */
MGQE_API mgqe_status mgqe_look_up(const mgqe_model* model, const char* table, const int64_t* rows,
                                  int64_t count, mgqe_dtype dtype, void* out, int64_t stride,
                                  int32_t threads);

/* ---- scores and top-k --------------------------------------------------------------------------
 * score(q, row) = sum_c q_c row_c over the decoded row, one chain of fused multiply-adds in the order
 * of c; results are ordered by falling score, then by rising row. They do not depend on the processor,
 * the number of threads, how many are asked for at once, or k.
 * Of the scheme "prq" the row stands for its stages one after the other, and q for R q, R the rotation
 * if there is one, once a stage: the same but for rounding. */

/* At most one of both: rows that ascend, or a bitmap (bit r % 8 of byte r / 8). */
typedef struct mgqe_row_filter {
  const int32_t* sorted;
  int64_t count;
  const uint8_t* bitmap;
  int64_t bitmap_bytes;
} mgqe_row_filter;

typedef struct mgqe_top_k_options {
  size_t size;
  int64_t k;                         /* 1 to 10,000 */
  int32_t threads;                   /* of this call */
  mgqe_row_filter allow, block;      /* for all of the call; zeros: no filter */
  const mgqe_row_filter* block_each; /* NULL, or one for each query */
  int64_t shortlist; /* models whose scores are no dot products (neumf): 0 scores every item, exactly;
                        else as many candidates are taken from the codes, and scored: approximate */
} mgqe_top_k_options;
#define MGQE_TOP_K_OPTIONS_INIT \
  { sizeof(mgqe_top_k_options), 10, 1, {NULL, 0, NULL, 0}, {NULL, 0, NULL, 0}, NULL, 0 }

/* For each query k rows and scores, best first. counts[m] of them are results; the others are -1 and
 * -infinity: fewer rows were let in. scores and counts may be NULL. */
typedef struct mgqe_result {
  int32_t* rows; /* (M, k) */
  float* scores; /* (M, k) */
  int64_t* counts; /* (M) */
} mgqe_result;

/* Rows of a table by queries (M, dim), finite floats. */
MGQE_API mgqe_status mgqe_top_k(const mgqe_model* model, const char* table, const float* queries,
                                int64_t count, const mgqe_top_k_options* options,
                                const mgqe_result* result);
/* scores[i] of rows[i]; of rows 0 .. count - 1 where rows is NULL. */
MGQE_API mgqe_status mgqe_scores(const mgqe_model* model, const char* table, const float* query,
                                 const int64_t* rows, int64_t count, float* scores);

/* Who is asked about: rows of users, or for models that read histories (mgqe_max_length > 0) rows of
 * items in time order, those of question m at history[offsets[m]] .. history[offsets[m + 1]]. */
typedef struct mgqe_questions {
  size_t size;
  int64_t count;            /* M */
  const int32_t* users;     /* (M) or NULL */
  const int32_t* history;
  const int64_t* offsets;   /* (M + 1) or NULL */
} mgqe_questions;
#define MGQE_QUESTIONS_INIT \
  { sizeof(mgqe_questions), 0, NULL, NULL, NULL }

/* Items for users, in the order that `mgqe evaluate` ranks by. */
MGQE_API mgqe_status mgqe_recommend(const mgqe_model* model, const mgqe_questions* questions,
                                    const mgqe_top_k_options* options, const mgqe_result* result);
/* The vectors (M, dim of the items' table) that mgqe_recommend ranks by, for mgqe_top_k or an index. */
MGQE_API mgqe_status mgqe_vectors(const mgqe_model* model, const mgqe_questions* questions,
                                  float* out);

typedef enum mgqe_likeness {
  MGQE_BY_MODEL = 0,  /* relevance models: the score they were trained for */
  MGQE_BY_COSINE = 1, /* of decoded rows */
  MGQE_BY_DOT = 2
} mgqe_likeness;

/* Items like each of items (M), itself left out. */
MGQE_API mgqe_status mgqe_similar(const mgqe_model* model, const int32_t* items, int64_t count,
                                  mgqe_likeness by, const mgqe_top_k_options* options,
                                  const mgqe_result* result);

#ifdef __cplusplus
}
#endif

#endif
