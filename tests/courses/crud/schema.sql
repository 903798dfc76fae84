CREATE TABLE note (
    id INT AUTO_INCREMENT PRIMARY KEY,
    text VARCHAR(200) NOT NULL
);
INSERT INTO note (text) VALUES ('made while building');
