/* segue started with tests/faults in it, which looks into a folder for what is to go wrong. */
#ifndef SEGUE_TESTS_E2E_FAULTS_H
#define SEGUE_TESTS_E2E_FAULTS_H

#include "lab/lab.h"

const char *faults_create(struct lab *lab); /* an empty folder: no fault yet */
void faults_start(struct lab *lab, struct lab_segue *segue, const char *folder);

/* kill-at, enospc, slow-disk: see tests/faults/faults.c. `content` NULL: no longer. */
void faults_set(struct lab *lab, const char *folder, const char *name, const char *content);

#endif
