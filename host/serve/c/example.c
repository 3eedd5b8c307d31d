/* Ten items for each user row given: example MODEL USER_ROW ... */
#include <mgqe.h>
#include <stdio.h>
#include <stdlib.h>

static int failed(const char* what) {
  fprintf(stderr, "%s: %s\n", what, mgqe_last_error());
  return 2;
}

int main(int argc, char** argv) {
  mgqe_model* model;
  if (argc < 3 || mgqe_open(argv[1], NULL, &model) != MGQE_OK) return failed("open");
  for (int i = 2; i < argc; ++i) {
    const int32_t user = atoi(argv[i]);
    int32_t rows[10];
    int64_t count, ids[10];
    float scores[10];
    mgqe_questions who = MGQE_QUESTIONS_INIT;
    who.count = 1;
    who.users = &user;
    const mgqe_result best = {rows, scores, &count};
    if (mgqe_recommend(model, &who, NULL, &best) != MGQE_OK) return failed("recommend");
    if (mgqe_ids_of(model, "item", rows, count, ids) != MGQE_OK) return failed("ids");
    printf("user %d:", (int)user);
    for (int64_t k = 0; k < count; ++k) printf(" %lld (%.3f)", (long long)ids[k], scores[k]);
    printf("\n");
  }
  mgqe_close(model);
  return 0;
}
